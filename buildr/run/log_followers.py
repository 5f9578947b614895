"""Processes that follow a run's output, so that its container is removed only when they have read it to the end.

Followed logs lag behind: Podman looks for more four times a second, and what it has not read when the container is removed
is gone. A follower holds a shared lock on a file that is named for the run; the process that removes the container waits,
briefly, until none is held. flock(2): the kernel lets go of it when a process ends, however it ends.
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
_FINISH_SECONDS = 3.0  # a follower whose own reader is slow must not keep a container for ever
_PAUSE_SECONDS = 0.02


@contextlib.contextmanager
def following(run: str) -> Iterator[None]:
    """Declare that this process follows the output of a run; if that is impossible (a read-only home), follow without.

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
    """Wait until the followers of a run's output have read it to its end; return at once if there are none.

    Args:
        run: one whose guest has ended.
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
    # Any program can set labels: one that is not an id must not lead elsewhere.
    return f"{folder}/{cache.key(run)}" if folder else ""
