"""Installing dependencies in a container of their own; for runs on this host with a cache of wheels, none of it in the image.

What an engine stores of a RUN step is another layer each time, and Docker's classic builder has no ``RUN --mount=type=cache``. So pip
runs in a container, as with secrets (`buildr.installer`), for runs with a named volume of the user's for its cache: what was
downloaded or compiled once, for whichever project, is there the next time. The container is made from the first steps of the
project's own recipe, and what the installation changed becomes the layer that its RUN step would have made.

The cache is as trustworthy as that of pip on a host: what a package's own build does there, later installations of
the same user read. Therefore an image that is published is never made from it; see `buildr.image.ensure`.
"""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr import labels
from buildr._version import __version__
from buildr.archive.tar import Member
from buildr.engines.container_spec import MountSpec
from buildr.engines.records import Event
from buildr.errors import ContainerError, EngineError
from buildr.host import temporary
from buildr.host.guard import Guard
from buildr.installer import add_installed
from buildr.installer.ground import ground, names_but_newest
from buildr.installer.installation import Cache, Order, install, program
from buildr.installer.secrets import Secrets
from buildr.labels import PROJECT, WHEELS
from buildr.layout import DEPENDENCIES_ROOT
from buildr.plan.containerfile import render_ground
from buildr.plan.fingerprint import TAG_DIGITS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildr.archive.tar import Part
    from buildr.engines.progress import Progress
    from buildr.engines.protocol import Backend
    from buildr.engines.records import Image, Volume
    from buildr.engines.volumes import Volumes
    from buildr.plan.containerfile import Recipe
    from buildr.plan.project import Project

__all__ = ["cache_volumes", "old_names", "on_ground", "with_packages"]

CACHE = "buildr.host.cache"
"""Label of volumes that hold a cache: its kind."""
_WHEELS = "wheels"
_TARGET = "/run/buildr-wheels"  # in the container of an installation, not in its image
_KEY_DIGITS = 16
_DEPENDENCIES = "localhost/buildr-dependencies"
"""The name of images of what was installed; projects with the same needs share one."""
_ALONE = "-alone"
"""Ends the tag of one that the cache of wheels had no part in."""
_KEPT = 2  # images of what one project has installed, so that going back and forth is quick


def on_ground(backend: Backend, project: Project, progress: Progress, *, cache: bool) -> Project:
    """Return a project to be built on an image with all that comes before its dependencies.

    What a build has made is then compared with that image, and steps of packages of the system are not run again for each source.

    Args:
        backend: the engine.
        project: without secrets.
        progress: receives the events of a build.
        cache: whether an image that was made before may serve.

    Raises:
        BuildError: a step failed.
    """
    base = backend.image(project.recipe.base_image)
    if base is None:  # it may have been removed meanwhile, and a build says so
        return project
    try:
        below = ground(backend, project.recipe, base, progress, cache=cache)
    except EngineError:
        return project
    return replace(project, recipe=replace(project.recipe, base_image=below.id, on_ground=True))


def with_packages(
    backend: Backend, project: Project, progress: Progress, *, cache: bool, wheels: bool
) -> Project | None:
    """Install what a project needs, except what is in its source; return the project to be built on top of that.

    Args:
        backend: the engine.
        project: without secrets.
        progress: shows pip's log.
        cache: whether an image of what was installed before may serve.
        wheels: whether the cache of wheels may.

    Returns:
        ``None`` where a build has to install: there is nothing to do here, or the engine refuses.

    Raises:
        BuildError: pip failed.
    """
    # Without layers that are the same each time an installation alone is no gain.
    if not wheels and not backend.appends():
        return None
    recipe = replace(project.recipe, local=())
    if recipe.source_first or not recipe.installs:
        return None
    base = backend.image(recipe.base_image)
    if base is None:  # it may have been removed meanwhile, and a build says so
        return None
    wanted = _fingerprint(project, recipe, base)
    tag = f"{_DEPENDENCIES}:{wanted[:TAG_DIGITS]}{'' if wheels else _ALONE}"
    stored = backend.image(tag) if cache else None
    if stored is not None:
        image = stored.id
    else:
        try:
            mount = _cache(_volume(backend), base, recipe) if wheels else None
            below = ground(backend, recipe, base, progress, cache=cache)
            order = Order(
                recipe=recipe,
                parts=_parts(project),
                base=below,
                secrets=Secrets(variables={}, files={}, meanings={}, hidden={}),
                cache=mount,
                files_stay=True,
            )
            names = {PROJECT: project.key, **({WHEELS: wanted} if wheels else {})}
            image = _install(backend, order, names, progress)
        except (ContainerError, EngineError) as error:
            why = error.message if isinstance(error, EngineError) else error.hint
            progress(Event(kind="log", text=f"a build installs: {error.what} {why}".rstrip()))
            return None
        backend.tag(image, tag)
    done = replace(
        project.recipe, base_image=image, on_ground=True, install=(), unhashed=(), debugger=()
    )
    dependencies = project.dependencies
    if dependencies is not None and not done.local:
        dependencies = replace(dependencies, files=())  # they are there
    return replace(project, recipe=done, dependencies=dependencies)


def old_names(rows: Sequence[Image]) -> list[str]:
    """Return the names of old images of what was installed.

    Args:
        rows: the images with a project's label, newest first.
    """
    return names_but_newest(rows, f"{_DEPENDENCIES}:", _KEPT)


def cache_volumes(backend: Volumes) -> Sequence[Volume]:
    """Return this user's caches of wheels on an engine, with their sizes.

    Raises:
        BackendError: the engine cannot list its volumes.
    """
    return backend.volumes(_labels(), sizes=True)


def _labels() -> dict[str, str]:
    return {CACHE: _WHEELS, labels.UID: str(os.getuid())}


def _volume(backend: Volumes) -> str:
    """Make the volume, if it is not there; return its name."""
    name = f"buildr-{_WHEELS}-{os.getuid()}"
    backend.make_volume(name, _labels())
    return name


def _fingerprint(project: Project, recipe: Recipe, base: Image) -> str:
    """Return the digest of all that decides what is installed."""
    files = project.dependencies.files if project.dependencies else ()
    parts = [
        __version__,
        program(),
        base.id,
        render_ground(replace(recipe, base_image=base.id)),
        repr(recipe.installs),
        repr([(file.path, file.data) for file in files]),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _cache(volume: str, base: Image, recipe: Recipe) -> Cache:
    kind = json.dumps([base.id, sorted(recipe.system_packages)])
    return Cache(
        mount=MountSpec(kind="volume", source=volume, target=_TARGET),
        key=hashlib.sha256(kind.encode()).hexdigest()[:_KEY_DIGITS],
    )


def _install(
    backend: Backend, order: Order, labels_of_image: Mapping[str, str], progress: Progress
) -> str:
    # What is written there may be large: it goes at once when this process is killed.
    with temporary.folder(large=True) as folder, Guard(temporary.__name__, folder):
        archive = f"{folder}/installed.tar"
        installed = install(backend, order, archive, progress)
        return add_installed(backend, order, archive, installed, labels_of_image, progress)


def _parts(project: Project) -> list[Part]:
    """Return the files that pip reads, with the paths that they have in the container."""
    root = DEPENDENCIES_ROOT.lstrip("/")
    files = project.dependencies.files if project.dependencies else ()
    return [Member(path=f"{root}/{file.path}", data=file.data) for file in files]
