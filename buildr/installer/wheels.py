"""Installing dependencies with a cache of wheels, for runs on this host: the same on every engine, none of it in the image.

Docker's classic builder has no ``RUN --mount=type=cache``. So pip runs in a container of its own, as with secrets
(`buildr.installer`), with a named volume of the user's for its cache: what was downloaded or compiled once, for whichever
project, is there the next time. The container is made from the first steps of the project's own recipe, and what the
installation changed becomes the layer that its RUN step would have made.

The cache is as trustworthy as that of pip on a host: what a package's own build does there, later installations of
the same user read. Therefore an image that is published is never made from it; see `buildr.image.ensure`.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr import labels
from buildr._version import __version__
from buildr.archive.tar import Member, pack
from buildr.engines.container_spec import MountSpec
from buildr.engines.records import BuildRequest, Event, Layer
from buildr.errors import BuildError, ContainerError, EngineError
from buildr.host import temporary
from buildr.host.guard import Guard
from buildr.installer import add_installed, names_but_newest
from buildr.installer.installation import Cache, Order, install, program
from buildr.installer.secrets import Secrets
from buildr.labels import PROJECT, WHEELS
from buildr.layout import DEPENDENCIES_ROOT
from buildr.plan.containerfile import render_ground
from buildr.plan.fingerprint import TAG_DIGITS
from buildr.plan.staging import CONTAINERFILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from buildr.archive.tar import Part
    from buildr.engines.images import Images
    from buildr.engines.progress import Progress
    from buildr.engines.protocol import Backend
    from buildr.engines.records import Image, Volume
    from buildr.engines.volumes import Volumes
    from buildr.plan.containerfile import Recipe
    from buildr.plan.project import Project

__all__ = ["cache_volumes", "old_names", "with_wheels"]

CACHE = "buildr.host.cache"
"""Label of volumes that hold a cache: its kind."""
_WHEELS = "wheels"
_TARGET = "/run/buildr-wheels"  # in the container of an installation, not in its image
_KEY_DIGITS = 16
_DEPENDENCIES = "localhost/buildr-dependencies"
"""The name of images of what was installed; projects with the same needs share one."""
_GROUND = "localhost/buildr-ground"
"""The name of images that this is installed on."""
_GROUND_LABEL = "buildr.ground"
_KEPT = 2  # images of what one project has installed, so that going back and forth is quick
_KEPT_GROUNDS = 8  # of all projects; they take no space of their own, but keep old base images
_CHUNK = 1 << 20


def with_wheels(
    backend: Backend, project: Project, progress: Progress, *, cache: bool
) -> Project | None:
    """Install what a project needs, except what is in its source; return the project to be built on top of that.

    Args:
        backend: the engine.
        project: without secrets.
        progress: shows pip's log.
        cache: whether an image of what was installed before may serve.

    Returns:
        ``None`` where a build has to install: there is nothing to do here, or the engine refuses.

    Raises:
        BuildError: pip failed.
    """
    recipe = replace(project.recipe, local=())
    if recipe.source_first or not recipe.installs:
        return None
    base = backend.image(recipe.base_image)
    if base is None:  # it may have been removed meanwhile, which a build reports
        return None
    ground = render_ground(replace(recipe, base_image=base.id))
    wanted = _fingerprint(project, recipe, ground, base)
    tag = f"{_DEPENDENCIES}:{wanted[:TAG_DIGITS]}"
    stored = backend.image(tag) if cache else None
    if stored is not None:
        image = stored.id
    else:
        try:
            volume = _volume(backend)
            below = _ground(backend, ground, recipe.base_image, progress, cache=cache)
            order = Order(
                recipe=recipe,
                parts=_parts(project),
                base=below,
                secrets=Secrets(variables={}, files={}, meanings={}, hidden={}),
                cache=_cache(volume, base, recipe),
            )
            image = _install(backend, order, {PROJECT: project.key, WHEELS: wanted}, progress)
        except (ContainerError, EngineError) as error:
            why = error.message if isinstance(error, EngineError) else error.hint
            progress(Event(kind="log", text=f"no cache of wheels: {error.what} {why}".rstrip()))
            return None
        backend.tag(image, tag)
    done = replace(
        project.recipe, base_image=image, on_ground=True, install=(), unhashed=(), debugger=()
    )
    dependencies = project.dependencies
    if dependencies is not None and not done.local:
        dependencies = replace(dependencies, files=())  # they are there
    return replace(project, recipe=done, dependencies=dependencies)


def old_names(backend: Images, rows: Sequence[Image]) -> list[str]:
    """Return the names of old images of what was installed, and of what that was installed on.

    Args:
        backend: the engine.
        rows: the images with a project's label, newest first.

    Raises:
        BackendError: the engine cannot list its images.
    """
    grounds = backend.images({_GROUND_LABEL: ""})
    return [
        *names_but_newest(rows, f"{_DEPENDENCIES}:", _KEPT),
        *names_but_newest(grounds, f"{_GROUND}:", _KEPT_GROUNDS),
    ]


def cache_volumes(backend: Volumes) -> Sequence[Volume]:
    """Return this user's caches of wheels on an engine, with their sizes.

    Raises:
        BackendError: the engine cannot list its volumes.
    """
    return backend.volumes(_labels(), sizes=True)


def _labels() -> dict[str, str]:
    return {CACHE: _WHEELS, labels.UID: str(os.getuid())}


def _volume(backend: Volumes) -> str:
    """Create the volume, if it does not exist; return its name."""
    name = f"buildr-{_WHEELS}-{os.getuid()}"
    backend.make_volume(name, _labels())
    return name


def _fingerprint(project: Project, recipe: Recipe, ground: str, base: Image) -> str:
    """Return the digest of everything that determines the installation."""
    files = project.dependencies.files if project.dependencies else ()
    parts = [
        __version__,
        program(),
        base.id,
        ground,
        repr(recipe.installs),
        repr([(file.path, file.data) for file in files]),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _ground(
    backend: Images, text: str, base_image: str, progress: Progress, *, cache: bool
) -> Image:
    """Return the image to install on, the same for all projects whose recipes begin alike.

    Raises:
        BuildError: a step failed.
        EngineError: it vanished.
    """
    text += f'LABEL {_GROUND_LABEL}="true"\n'
    tag = f"{_GROUND}:{hashlib.sha256(text.encode()).hexdigest()[:TAG_DIGITS]}"
    if not cache or (image := backend.image(tag)) is None:
        request = BuildRequest(
            context=pack([Member(path=CONTAINERFILE, data=text.encode())]),
            containerfile=CONTAINERFILE,
            tags=(tag,),
            cache=cache,
        )
        try:
            image = backend.image(backend.build(request, progress))
        except BuildError as error:
            from buildr.installer.advice import advised

            raise advised(error, base_image) from None
    if image is None:
        raise EngineError(f"the image {tag} vanished", message="it was removed just now")
    return image


def _cache(volume: str, base: Image, recipe: Recipe) -> Cache:
    kind = json.dumps([base.id, sorted(recipe.system_packages)])
    return Cache(
        mount=MountSpec(kind="volume", source=volume, target=_TARGET),
        key=hashlib.sha256(kind.encode()).hexdigest()[:_KEY_DIGITS],
    )


def _install(
    backend: Backend, order: Order, labels_of_image: Mapping[str, str], progress: Progress
) -> str:
    ground = order.base
    # What is written there may be large: it goes at once when this process is killed.
    with temporary.folder(large=True) as folder, Guard(temporary.__name__, folder):
        archive = f"{folder}/installed.tar"
        installed = install(backend, order, archive, progress)
        if backend.appends():
            gone = installed.whiteouts
            layer = Layer(
                content=_content(gone, archive),
                size=len(gone) + os.path.getsize(archive),
                created_by=f"pip install {' && '.join(map(' '.join, order.recipe.installs))}",
                labels=labels_of_image,
            )
            try:
                return backend.append(ground.id, layer, progress)
            except EngineError as error:  # a build may still succeed
                progress(Event(kind="log", text=f"{error.what}: {error.message}"))
        return add_installed(backend, ground, archive, installed, labels_of_image, progress)


def _parts(project: Project) -> list[Part]:
    """Return the files that pip reads, with the paths that they have in the container."""
    root = DEPENDENCIES_ROOT.lstrip("/")
    files = project.dependencies.files if project.dependencies else ()
    return [Member(path=f"{root}/{file.path}", data=file.data) for file in files]


def _content(beginning: bytes, archive: str) -> Iterator[bytes]:
    if beginning:
        yield beginning
    with Path(archive).open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
