"""Builds and the removal of old images do not happen at the same time.

Podman's builds look through all stored images for layers that may serve, and fail when one vanishes meanwhile; so does a
list of images. A user's builds share a lock; old images are removed only by a process that holds it alone, and otherwise by a
later build. flock(2): the kernel lets go of it when a process ends, however it ends.

Beside the lock every build has a mark as long as it lasts (`buildr.host.marks`). A mark that is left behind shows that a build was killed,
and that there may be images without a name. It lists those that could not be distinguished from others otherwise.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from buildr.host import cache, marks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CREATE = os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_SHORTEST = 11  # digits of an id as engines report it; a line that was cut off may have fewer


@contextlib.contextmanager
def building(engine: str = "") -> Iterator[Callable[[str], None]]:
    """Keep old images from being removed; where no lock can be had (a read-only home) go on without.

    Args:
        engine: the backend's name.

    Yields:
        What is called with the images that the steps make, by their ids or how those begin.
    """
    lock = _open(cache.lock_directory(make=True))
    mark = None
    try:
        if lock is not None:
            fcntl.flock(lock, fcntl.LOCK_SH)
            mark = marks.Mark("build", engine, f"{os.getpid()}-{os.urandom(6).hex()}")

        def note(image: str) -> None:
            if mark is not None:
                mark.note(image)

        yield note
    finally:
        if mark is not None:
            mark.remove()
        if lock is not None:
            os.close(lock)


def killed(engine: str) -> list[str]:
    """Return the marks of an engine's builds that were killed; the caller removes the files once it has cleaned up."""
    return marks.left("build", engine)


def images_of(mark: str) -> list[str]:
    """Return the images that a build has recorded, by their ids or how those begin."""
    try:
        with open(mark, encoding="ascii", errors="replace") as file:
            return [line.rstrip("\n") for line in file if len(line) > _SHORTEST]
    except OSError:
        return []


@contextlib.contextmanager
def alone() -> Iterator[bool]:
    """Take the lock alone if no build is running; never waits."""
    lock = _open(cache.lock_directory(make=True))
    try:
        yield lock is not None and _exclusive(lock)
    finally:
        if lock is not None:
            os.close(lock)


def _exclusive(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _open(folder: str | None) -> int | None:
    if folder is None:
        return None
    try:
        return os.open(f"{folder}/build.lock", os.O_RDWR | _CREATE, 0o600)
    except OSError:
        return None
