"""All of a project's image but its source, or all of it where a build has to copy the source: what is stored, and how it is made.

Where an engine takes layers alone, each of what comes before the dependencies, of the dependencies and of the guest part is one
without times of the moment, so that two builds give the same image. Elsewhere a build makes it all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.archive.tar import pack
from buildr.engines.records import BuildRequest
from buildr.errors import BuildError
from buildr.image.guest_layer import folders_of, with_guest
from buildr.image.secret_values import lookout
from buildr.image.stamp import built_stamp
from buildr.installer.ground import LABEL as GROUND
from buildr.installer.normalised import Build, normalised
from buildr.plan.containerfile import additions
from buildr.plan.fingerprint import may_serve
from buildr.plan.staging import CONTAINERFILE, counted, parts_of

if TYPE_CHECKING:
    from buildr.engines.progress import Progress
    from buildr.engines.protocol import Backend
    from buildr.image.inputs import Inputs
    from buildr.image.stamp import Stamp
    from buildr.plan.project import Project

__all__ = ["Preparation"]


class Preparation:
    """Makes the images of one project.

    Args:
        backend: the engine.
        inputs: what they are made from.
        project: whose images they are, as the user has it.
        progress: receives the events.
        cache: whether what was built before may serve.
        wheels: whether dependencies may be installed with the cache of wheels.
    """

    def __init__(
        self,
        backend: Backend,
        inputs: Inputs,
        project: Project,
        progress: Progress,
        *,
        cache: bool,
        wheels: bool,
    ) -> None:
        self._backend = backend
        self._inputs = inputs
        self._base_image = project.recipe.base_image
        self._progress = progress
        self._cache = cache
        self._wheels = wheels
        self.stamp: Stamp = built_stamp(project, inputs.bases)

    def below_source(self, project: Project) -> str:
        """Return the id of the image of a project whose source is not part of it, made if need be.

        Raises:
            BuildError: a step failed.
        """
        tag = self._inputs.frame.prepared_tag
        stored = self._backend.image(tag) if self._cache else None
        if stored is not None and may_serve(stored, project):
            return stored.id
        return self.whole(project, tag)

    def whole(self, project: Project, tag: str, *, as_built: bool = False) -> str:
        """Make an image of a project, and give it a name; return its id.

        Args:
            project: the project.
            tag: the name.
            as_built: whether it stays as the engine has built it.

        Raises:
            ContextError: a file cannot be read.
            BuildError: a step failed.
        """
        project = self._begun(project, as_built=as_built)
        image = None if as_built else self._appended(project)
        if image is None:
            image = self._built(project, tag, as_built=as_built)
        self._backend.tag(image, tag)
        return image

    def _begun(self, project: Project, *, as_built: bool) -> Project:
        """Return a project as it is built on an image of its first steps, where that is worth one of its own."""
        from buildr.installer.wheels import on_ground, with_packages

        backend, progress, cache = self._backend, self._progress, self._cache
        if not project.package.secrets:
            installed = with_packages(backend, project, progress, cache=cache, wheels=self._wheels)
            if installed is not None:
                return installed
        if (
            project.recipe.on_ground
            or as_built
            or (additions(project.recipe) is not None and not self._folders())
        ):
            return project
        return on_ground(backend, project, progress, cache=cache)

    def _folders(self) -> bytes:
        [base] = self._inputs.bases
        return folders_of(self._backend, base)

    def _appended(self, project: Project) -> str | None:
        """Make it without a build, where all that is left to do is known."""
        if not project.recipe.on_ground or additions(project.recipe) is None:
            return None
        folders = self._folders()
        if not folders:
            return None
        return with_guest(self._backend, project, folders, self.stamp, self._progress)

    def _built(self, project: Project, tag: str, *, as_built: bool) -> str:
        sources, progress = self._inputs.sources, self._progress
        request = BuildRequest(
            context=counted(pack(parts_of(project, sources), lookout=lookout(project)), progress),
            containerfile=CONTAINERFILE,
            labels=self.stamp.known if as_built else {},
            tags=(tag,),
            cache=self._cache,
        )
        try:
            image = self._backend.build(request, progress)
        except BuildError as error:
            from buildr.installer.advice import advised

            raise advised(error, self._base_image) from None
        if as_built:
            return image
        [base] = self._inputs.bases
        on_base = project.recipe.base_image == self._base_image
        built = Build(
            base=base.id if on_base else project.recipe.base_image,
            image=image,
            adds=None if on_base and base.triggers else additions(project.recipe),
            kept=tuple(file.destination.rstrip("/") for file in project.recipe.files),
            labels={GROUND: "", **self.stamp.labels},
            created=self.stamp.created,
        )
        return normalised(self._backend, built, progress)
