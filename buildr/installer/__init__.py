"""Installs dependencies in a separate container, the same on every engine, with secrets that leave no trace in the image.

Docker's classic builder has no ``RUN --mount=type=secret``, so `buildr.installer.in_container` gets the secrets by standard input, and
what it changed comes back as an archive that is searched for them; a build without secrets makes an image of that, with a tag of
its own, so that a change of the source reinstalls nothing. It may import `buildr.run`, `buildr.plan` and what is below them.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from buildr._version import __version__
from buildr.archive.tar import Copy, Member, pack
from buildr.engines.records import BuildRequest
from buildr.errors import BuildError, ContainerError
from buildr.host import temporary
from buildr.host.guard import Guard
from buildr.plan.fingerprint import TAG_DIGITS
from buildr.plan.stages import render_dependencies, render_system_packages
from buildr.plan.staging import CONTAINERFILE, source_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from buildr.archive.tar import Part
    from buildr.engines.images import Images
    from buildr.engines.progress import Progress
    from buildr.engines.protocol import Backend
    from buildr.engines.records import Image
    from buildr.installer.installation import Installed
    from buildr.plan.project import Project
    from buildr.plan.sources import Sources

LABEL = "buildr.dependencies"
"""Label of images that hold a project's dependencies, and of images built from them: the project's key."""
_TAG = "deps-"
_DONE: dict[str, Any] = {
    **dict.fromkeys(("install", "unhashed", "debugger", "local", "system_packages"), ()),
    "source_first": False,
}
"""The fields of a recipe that are left empty on top of them."""
_KEPT = 2  # images of one project's dependencies, for quick switching


def with_dependencies(
    backend: Backend,
    project: Project,
    sources: Sources,
    progress: Progress,
    *,
    cache: bool,
) -> Project:
    """Install a project's dependencies; return the project to be built on top of that.

    Args:
        backend: the engine.
        project: with secrets, and something to install.
        sources: its files.
        progress: shows pip's log, without secrets.
        cache: whether earlier installations may be used.

    Raises:
        OptionError: a secret is missing.
        BuildError: pip failed, or a file that it wrote contains a secret.
    """
    reference = project.recipe.base_image
    base = backend.image(reference) or backend.pull(
        reference, progress
    )  # it may have been removed meanwhile
    wanted = _fingerprint(project, sources, base)
    tag = f"{project.local_name}:{_TAG}{wanted[:TAG_DIGITS]}"
    stored = backend.image(tag) if cache else None
    if stored is None:
        if project.recipe.system_packages:
            base = _with_system_packages(backend, project, base, progress, cache=cache)
        image = _install(backend, project, sources, base, progress)
        backend.tag(image, tag)
    else:
        image = stored.id
    recipe = replace(project.recipe, base_image=image, **_DONE)
    dependencies = project.dependencies
    if dependencies is not None:
        # They are installed, except for the metadata of the project itself.
        dependencies = replace(dependencies, files=())
    return replace(project, recipe=recipe, dependencies=dependencies)


def _with_system_packages(
    backend: Images, project: Project, base: Image, progress: Progress, *, cache: bool
) -> Image:
    """Return the base image with system packages: pip may need their compilers, or git."""
    text = render_system_packages(base, project.recipe.system_packages)
    request = BuildRequest(
        context=pack([Member(path=CONTAINERFILE, data=text.encode())]),
        containerfile=CONTAINERFILE,
        cache=cache,
    )
    try:
        return replace(base, id=backend.build(request, progress))
    except BuildError as error:
        from buildr.installer.advice import advised

        raise advised(error, project.recipe.base_image) from None


def _fingerprint(project: Project, sources: Sources, base: Image) -> str:
    """Return the digest of everything that determines the installation, except the secrets' values."""
    from buildr.installer.installation import program

    dependencies = project.dependencies
    parts = [
        __version__,
        program(),
        base.id,
        project.recipe.user,
        repr(project.recipe.system_packages),
        repr(project.recipe.installs),
        repr(project.recipe.versions),
        repr([(file.path, file.data) for file in dependencies.files] if dependencies else ()),
        sources.tree.digest if _needs_source(project) else "",
        repr(project.package.secrets),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _install(
    backend: Backend, project: Project, sources: Sources, base: Image, progress: Progress
) -> str:
    from buildr.installer.installation import Order, install
    from buildr.installer.secrets import read_secrets

    secrets = read_secrets(project.package.secrets, str(project.context))
    # The files may be large, so a guard removes them immediately if this process is killed.
    with temporary.folder() as folder, Guard(temporary.__name__, folder):
        archive = f"{folder}/installed.tar"
        try:
            order = Order(
                recipe=project.recipe, parts=_parts(project, sources), base=base, secrets=secrets
            )
            installed = install(backend, order, archive, progress)
        except ContainerError as error:  # not the guest's status
            raise BuildError(
                f"dependencies cannot be installed: {error.what}", hint=error.hint
            ) from None
        labels = {LABEL: project.key}
        return add_installed(backend, base, archive, installed, labels, progress)


def add_installed(
    backend: Images,
    base: Image,
    archive: str,
    installed: Installed,
    labels: Mapping[str, str],
    progress: Progress,
) -> str:
    """Build an image of an installation; return its id.

    Args:
        backend: the engine.
        base: what it was installed on.
        archive: path of the tar archive of all that is new.
        installed: which paths are gone.
        labels: of the new image; plain words.
        progress: receives the events of the build.
    """
    text = render_dependencies(
        base,
        " ".join(f'{name}="{value}"' for name, value in labels.items()),
        removed=bool(installed.removed),
    )
    parts: list[Part] = [
        Member(path=CONTAINERFILE, data=text.encode()),
        Copy(path="installed.tar", source=Path(archive)),
    ]
    if installed.removed:
        parts.append(Member(path="removed", data=installed.listed))
    return backend.build(BuildRequest(context=pack(parts), containerfile=CONTAINERFILE), progress)


def _parts(project: Project, sources: Sources) -> list[Part]:
    """Return the files that the installation reads, with their paths in the container."""
    from buildr.layout import DEPENDENCIES_ROOT

    root = DEPENDENCIES_ROOT.lstrip("/")
    files = project.dependencies.files if project.dependencies else ()
    parts: list[Part] = [Member(path=f"{root}/{file.path}", data=file.data) for file in files]
    if _needs_source(project):
        parts.append(source_tree(project, sources, "app"))
    return parts


def _needs_source(project: Project) -> bool:
    return bool(project.recipe.source_first or project.recipe.local)


def old_names(backend: Images, project: str, local_name: str) -> list[str]:
    """Return the names of old images of a project's dependencies, without those that have other names, too.

    Args:
        backend: the engine.
        project: the project's key.
        local_name: the name of its images, without a tag.

    Raises:
        BackendError: the engine cannot list its images.
    """
    rows = backend.images({LABEL: project})  # newest first; the project's own among them
    return names_but_newest(rows, f"{local_name}:{_TAG}", _KEPT)


def names_but_newest(rows: Iterable[Image], prefix: str, count: int) -> list[str]:
    """Return the names of old images without other names.

    Args:
        rows: images, newest first.
        prefix: begins their names.
        count: how many keep them.
    """
    named = (row for row in rows if row.tags and all(tag.startswith(prefix) for tag in row.tags))
    return [tag for row in [*named][count:] for tag in row.tags]
