"""Followers of a run's output: the container is removed only after they have read everything.

Followed logs lag behind: Podman checks for new output four times a second, and the rest is lost when the container is
removed. A follower holds a shared lock on a file named after the run; the process that removes the container briefly
waits for these locks. The kernel releases a lock, flock(2), when its process ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from buildr.host import cache
from buildr.host.private_folders import first_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_KIND = "followed"
_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_FINISH_SECONDS = 3.0  # a slow follower must not keep a container forever
_PAUSE_SECONDS = 0.02


@contextlib.contextmanager
def following(run: str) -> Iterator[None]:
    """Register this process as a follower of a run, if possible (not in a read-only home).

    Args:
        run: the value of the label `buildr.labels.RUN`.
    """
    path = _path(run, make=True)
    lock = None
    with contextlib.suppress(OSError):
        lock = os.open(path, _OPEN | os.O_CREAT, 0o600) if path else None
    try:
        if lock is not None:
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield
    finally:
        if lock is not None:
            _remove_if_alone(path, lock)
            os.close(lock)


def let_finish(run: str) -> None:
    """Wait until the followers of a run have read its output, if there are any.

    Args:
        run: a run whose guest has ended.
    """
    if not (path := _path(run)):
        return
    try:
        lock = os.open(path, _OPEN)
    except OSError:
        return
    try:
        deadline = time.monotonic() + _FINISH_SECONDS
        while not _remove_if_alone(path, lock) and time.monotonic() < deadline:
            time.sleep(_PAUSE_SECONDS)
    finally:
        os.close(lock)


def _remove_if_alone(path: str, lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    with contextlib.suppress(OSError):
        os.unlink(path)
    return True


def _path(run: str, *, make: bool = False) -> str:
    """Return the path of a run's lock; empty if there is no private folder for it."""
    folder = cache.lock_directory(make=make)
    folder = folder and first_of((f"{folder}/{_KIND}",), make=make)
    # Any program can set labels: a value that is not an id must not become a path.
    return f"{folder}/{cache.key(run)}" if folder else ""
