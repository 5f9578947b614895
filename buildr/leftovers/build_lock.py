"""A lock that prevents the removal of old images during builds.

Podman's builds search all stored images for cached layers, and fail if one vanishes meanwhile; so does a list of
images. A user's builds share a lock; removing old images needs it exclusively, or waits for a later build. The kernel
releases the lock, flock(2), when a process ends, even if it is killed.

Every build also has a mark while it lasts (`buildr.host.marks`). A leftover mark shows that a build was killed and may
have left untagged images. It lists those that could not be recognized otherwise.
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
_SHORTEST = 11  # digits of an id as reported by engines; a truncated line may have fewer


@contextlib.contextmanager
def building(engine: str = "") -> Iterator[Callable[[str], None]]:
    """Prevent the removal of old images; without a lock (in a read-only home) continue anyway.

    Args:
        engine: the backend's name.

    Yields:
        A function to call with the images of steps: ids or prefixes of ids.
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
    """Return the images that a build has recorded: ids or prefixes of ids."""
    try:
        with open(mark, encoding="ascii", errors="replace") as file:
            return [line.rstrip("\n") for line in file if len(line) > _SHORTEST]
    except OSError:
        return []


@contextlib.contextmanager
def alone() -> Iterator[bool]:
    """Take the exclusive lock if no build is running; never waits."""
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
