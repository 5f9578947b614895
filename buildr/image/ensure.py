"""From a project to an image that an engine stores: look it up by its fingerprint, or build it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from buildr.engines.progress import Progress
from buildr.errors import ImageNotFoundError
from buildr.image.base_images import find_bases
from buildr.image.subordinate_ids import fit
from buildr.leftovers import sweeping
from buildr.leftovers.build_lock import building
from buildr.leftovers.last_image import Memory
from buildr.leftovers.old_images import old_images
from buildr.plan.fingerprint import frame, may_serve
from buildr.plan.sources import read_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildr.context.delta import State
    from buildr.context.index import Snapshot
    from buildr.engines.progress import Verbosity
    from buildr.engines.protocol import Backend
    from buildr.engines.records import Image
    from buildr.leftovers.last_image import LastImage
    from buildr.plan.fingerprint import Frame
    from buildr.plan.project import Project
    from buildr.plan.sources import Sources

_MOST_LAYERS = 20
"""After so many deltas an image is built clean: every one of them costs each start a little."""

Growth = Literal["clean", "images", "files"]
"""What may come of small changes: nothing but a clean build; an image on top of the last one, too; or files that are put
into the container before it starts, too."""


class Ready(Struct, frozen=True, kw_only=True):
    """What a container is made of."""

    image: str
    """Its image's id."""
    variables: tuple[str, ...] | None = None
    """Names of the variables that the image sets, where they are known."""
    files: bytes = b""
    """A tar archive to unpack into ``/app`` before it starts: what has changed since the image was built."""
    is_new: bool = False
    """Whether it was built clean just now, so that there may be older ones to remove: see `old_images`."""


def ensure_image(
    backend: Backend,
    project: Project,
    say: Callable[[str], None],
    *,
    verbosity: Verbosity = "normal",
    cache: bool = True,
) -> str:
    """Return the id of the project's image, built clean when it is not stored as it should be.

    Args:
        backend: the engine.
        project: what to build.
        say: told in one line each what the user should know of a build.
        verbosity: how much progress is shown.
        cache: whether an image, or layers, of an earlier build may serve.

    Raises:
        ContextError: the files cannot be read or must not be sent.
        ImageNotFoundError: the base image can neither be found nor pulled.
        BuildError: a step failed.
    """
    ready = make_ready(backend, project, say, verbosity=verbosity, cache=cache)
    if ready.is_new:
        sweeping.collect_later(backend.info, old_images(project, ready.image))
    return ready.image


def make_ready(
    backend: Backend,
    project: Project,
    say: Callable[[str], None],
    *,
    growth: Growth = "clean",
    verbosity: Verbosity = "normal",
    cache: bool = True,
    trust: bool = False,
    wheels: bool = False,
) -> Ready:
    """Return what a container of the project is made of, building no more than need be.

    Args:
        backend: the engine.
        project: what to run.
        say: told in one line each what the user should know of a build.
        growth: how small changes may come into the container.
        verbosity: how much progress is shown.
        cache: whether an image, or layers, of an earlier build may serve.
        trust: whether the image that was last run may be returned without asking the engine for it. It may have been
            removed, so the caller must be ready for an `ImageNotFoundError`.
        wheels: whether dependencies may be installed with the cache of wheels.

    Raises:
        ContextError: the files cannot be read or must not be sent.
        ImageNotFoundError: the base image can neither be found nor pulled.
        BuildError: a step failed.
        DependencyError: the base image's Python does not satisfy the project.
    """
    project = fit(project, backend)
    with Progress(f"building {project.name}", verbosity) as progress:
        say = progress.beside(say)
        sources = read_sources(project)
        bases = find_bases(backend, project, progress)
        around = frame(project, sources, bases)
        finder = _Finder(backend, project, sources.tree, around, bases)
        if cache and (ready := finder.find(growth, progress, trust=trust)) is not None:
            return ready
        image = _build(
            backend, project, sources, say, progress, around, bases, cache=cache, wheels=wheels
        )
        return finder.remember(finder.tag, image, is_new=True)


class _Finder:
    """Finds the image of a state, or one that is near to it.

    Attributes:
        tag: the name of the clean image.
    """

    def __init__(
        self,
        backend: Backend,
        project: Project,
        tree: Snapshot,
        around: Frame,
        bases: Sequence[Image],
    ) -> None:
        self.tag = around.tag(tree.digest)
        self._grown_tag = around.tag(tree.digest, grown=True)
        self._backend = backend
        self._project = project
        self._tree = tree
        self._frame = around
        self._bases = bases
        self._memory = Memory(project.key, backend)

    def find(self, growth: Growth, progress: Progress, *, trust: bool) -> Ready | None:
        """Return an image that there is, or that grows from one; ``None`` when it must be built clean."""
        grows = growth != "clean" and self._project.can_grow
        last = self._memory.last()
        tags = (self.tag, self._grown_tag) if grows else (self.tag,)
        if trust and last is not None and last.tag in tags:
            return Ready(image=last.id, variables=last.variables)
        stored = self._backend.image(self.tag)
        if stored is not None and may_serve(stored, self._project):
            if self._project.reference not in stored.tags:  # an earlier state, come back
                self._backend.tag(stored.id, self._project.reference)
            return self.remember(self.tag, stored)
        if last is None or not grows:
            return None
        if (stored := self._backend.image(self._grown_tag)) is not None:
            # How many layers it has is not known any more.
            layers = last.layers if last.tag == self._grown_tag else _MOST_LAYERS
            return self.remember(self._grown_tag, stored, layers=layers)
        old = self._state_of(last, trust=trust)
        return self._grow(last, old, growth, progress) if old else None

    def _state_of(self, last: LastImage, *, trust: bool) -> State | None:
        """Return the context that the last image was made of; ``None`` where nothing can come on top of that image."""
        tag = self._frame.tag(last.tree, grown=last.layers > 0)
        if last.tag != tag:  # something else than the context has changed, too
            return None
        if not trust:
            # Under its name there may be another image by now: the same state may have been built again.
            stored = self._backend.image(tag)
            if stored is None or stored.id != last.id:
                return None
        return self._memory.state(last.tree)

    def _grow(
        self, last: LastImage, old: State, growth: Growth, progress: Progress
    ) -> Ready | None:
        from buildr.context.delta import State
        from buildr.image.base_content import place_in
        from buildr.image.incremental import files_to_put, grow, small_delta

        delta = small_delta(old, State(self._tree.scan.entries, self._tree.contents))
        places = [place_in(self._backend, base) for base in self._bases] if delta else []
        if delta is None or "other" in places or (delta.removed and "filled" in places):
            return None
        if growth == "files" and (files := files_to_put(self._project, delta)):
            return Ready(image=last.id, variables=last.variables, files=files)
        if last.layers >= _MOST_LAYERS:
            return None
        image = grow(self._backend, self._project, last.id, delta, progress)
        if image is None:
            return None
        self._backend.tag(image, self._grown_tag)
        return self.remember(self._grown_tag, image, layers=last.layers + 1)

    def remember(
        self, tag: str, image: Image | str, *, layers: int = 0, is_new: bool = False
    ) -> Ready:
        """Remember an image; return it."""
        if isinstance(image, str):
            stored = self._backend.image(image)
            if stored is None:
                raise ImageNotFoundError(
                    f"the image {image} vanished after its build",
                    hint="Somebody removed it just now; run again.",
                )
            image = stored
        self._memory.remember(
            tag, image, self._tree, layers=layers, with_state=self._project.can_grow
        )
        names = tuple(line.partition("=")[0] for line in image.environment)
        return Ready(image=image.id, variables=names, is_new=is_new)


def _build(
    backend: Backend,
    project: Project,
    sources: Sources,
    say: Callable[[str], None],
    progress: Progress,
    around: Frame,
    bases: Sequence[Image],
    *,
    cache: bool,
    wheels: bool,
) -> str:
    from buildr.plan.staging import notes

    for note in (*project.notes, *notes(sources)):
        say(note)
    with building(backend.info.backend) as keep_account:
        progress.on_image = keep_account
        if project.dockerfile is None:
            from buildr.image.generated import build_generated
            from buildr.installer.base_python import check_python

            for base in bases:
                check_python(backend, project, base)
            image = build_generated(
                backend, project, sources, progress, around, bases, cache=cache, wheels=wheels
            )
        else:
            from buildr.image.user_containerfile import build_own

            image = build_own(backend, project, sources, progress, cache=cache)
        # Only now: an image that a failed build left half-done may carry our labels too, but never this tag.
        backend.tag(image, around.tag(sources.tree.digest))
    return image
