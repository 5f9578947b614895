"""Finds and removes leftovers of killed runs and builds on an engine.

A container is a leftover if its host process is certainly gone (`buildr.labels`). An image is one if it is untagged and
was built by Buildr. Before the step that sets Buildr's labels an image of a build that was killed has none; then the
variables that every generated Containerfile begins with tell it. An image that a user derives from one of ours inherits
both, label and variables, but runs something else, or has the labels of the run that it was committed from. Those of
the user's own Containerfile have neither; the killed build itself has recorded them (`buildr.leftovers.build_lock`).

An engine that other users share has images of their builds, too. There only those are this user's that a build has recorded
of, or that carry the label of a project whose image this user has run.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from buildr import labels
from buildr.engines.records import short_id
from buildr.errors import BackendError, EngineError
from buildr.host import marks
from buildr.labels import PROJECT
from buildr.layout import MARKERS
from buildr.leftovers.build_lock import alone, images_of, killed
from buildr.leftovers.last_image import Memory
from buildr.leftovers.old_images import is_built
from buildr.run.cleanup import detached_and_ended, kept, left_behind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from buildr.engines.protocol import Backend
    from buildr.engines.records import ContainerState, Image


class Leftover(Struct, frozen=True, kw_only=True):
    """An object that is no longer needed."""

    kind: Literal["build", "container", "image", "volume"]
    id: str
    text: str
    """For people."""


def builds(backend: Backend) -> Iterator[Leftover]:
    """Yield the builds that continue without their host processes.

    Raises:
        BackendError: the engine cannot list them.
    """
    for found in backend.left_builds():
        yield Leftover(kind="build", id=found, text="a build (its host process has gone)")


def containers(backend: Backend) -> Iterator[Leftover]:
    """Yield leftover containers on an engine, kept ones, and exited detached ones.

    Raises:
        BackendError: the engine cannot list them.
    """
    for found in left_behind(backend):
        yield _container(found, f"its host process {found.labels[labels.PID]} has gone")
    for found in kept(backend):
        yield _container(found, "kept when it had failed")
    for found in detached_and_ended(backend):
        yield _container(found, "detached, and it has ended")


def _container(found: ContainerState, why: str) -> Leftover:
    name = found.labels.get(labels.NAME) or "?"
    text = f"container {short_id(found.id)} ({name}; {why})"
    return Leftover(kind="container", id=found.id, text=text)


def images(backend: Backend) -> Iterator[Leftover]:
    """Yield leftover images on an engine; the caller removes them only while no build is running.

    Raises:
        BackendError: the engine cannot list them.
    """
    for image in unnamed_images(backend):
        text = f"image {short_id(image.id)} (without a name)"
        yield Leftover(kind="image", id=image.id, text=text)


def caches(backend: Backend) -> Iterator[Leftover]:
    """Yield this user's caches of wheels and of home directories, which are kept until the user removes them.

    Raises:
        BackendError: the engine cannot list them.
    """
    from buildr.installer.wheels import cache_volumes
    from buildr.run.home_cache import home_volumes

    for what, list_volumes in (("wheels", cache_volumes), ("a home directory", home_volumes)):
        for volume in list_volumes(backend):
            size = "" if volume.size is None else f", {volume.size / 1e6:.1f} MB"
            text = f"volume {volume.name} (the cache of {what}{size})"
            yield Leftover(kind="volume", id=volume.name, text=text)


def unnamed_images(backend: Backend) -> list[Image]:
    """Return the untagged images of Buildr's builds that have no child images.

    Raises:
        BackendError: the engine cannot list its images.
    """
    recorded = tuple(_recorded(backend))
    return [
        row
        for row in backend.images({}, unnamed=True)
        if not row.tags
        and (row.id.removeprefix("sha256:").startswith(recorded) or _is_ours(backend, row))
    ]


class Refusal(Struct, frozen=True, kw_only=True):
    """Why an object is not removed."""

    why: str
    in_use: bool
    """Whether another object still needs it, so that this is not a failure."""


def remove(backend: Backend, found: Leftover) -> Refusal | None:
    """Remove an object; return the reason if it cannot be removed."""
    try:
        if found.kind == "build":
            backend.end_build(found.id)
        elif found.kind == "container":
            backend.remove(found.id, volumes=True)
        elif found.kind == "volume":
            backend.remove_volume(found.id)
        else:
            backend.remove_image(found.id)
    except BackendError as error:
        return Refusal(why=error.what, in_use=_is_in_use(error))
    return None


def _is_in_use(error: BackendError) -> bool:
    return isinstance(error, EngineError) and error.status == HTTPStatus.CONFLICT


def sweep_images(backend: Backend) -> bool:
    """End killed builds, and remove their leftover images.

    Returns:
        Whether it is done; nothing is removed while a build is running.

    Raises:
        BackendError: the engine cannot list its images, or cannot remove one.
    """
    if not (left := killed(backend.info.backend)):
        return True
    for build in backend.left_builds():
        backend.end_build(build)
    refused = _remove_alone(backend, _recorded(backend))  # before the list, which may take long
    if refused is None:
        return False
    others = _remove_alone(backend, [row.id for row in unnamed_images(backend)])
    if others is None:
        return False
    # Other images in use are not leftovers of these builds, and another killed build may use them forever.
    refused += [error for error in others if not _is_in_use(error)]
    if refused:
        raise refused[0]
    marks.remove(left)
    return True


def _remove_alone(backend: Backend, images: Iterable[str]) -> list[BackendError] | None:
    """Remove images that are still untagged; return the reasons for those that stay, or ``None`` while a build is running.

    The lock is held only for each removal, since builds wait for it.
    """
    refused: list[BackendError] = []
    for image in images:
        with alone() as nobody_builds:
            if not nobody_builds:
                return None
            try:
                stored = backend.image(image)
                if stored is not None and not stored.tags:
                    backend.remove_image(stored.id)
            except BackendError as error:  # a step is still running in it
                refused.append(error)
    return refused


def _recorded(backend: Backend) -> Iterator[str]:
    """Yield the images that killed builds have recorded, children before parents."""
    for mark in killed(backend.info.backend):
        for image in reversed(images_of(mark)):
            yield image.removeprefix("sha256:")


def _is_ours(backend: Backend, row: Image) -> bool:
    # The list has no configuration; few images are untagged.
    image = backend.image(row.id)
    if image is None or image.tags:
        return False
    if PROJECT in image.labels:
        return is_built(image) and (
            not backend.info.shared or Memory(image.labels[PROJECT], backend).last() is not None
        )
    markers = {f"{name}={value}" for name, value in MARKERS.items()}
    return (
        not backend.info.shared
        and labels.RUN not in image.labels
        and markers <= set(image.environment)
    )
