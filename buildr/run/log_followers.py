"""Who follows a run's output in another process, so that its container goes only when that has been read to the end.

Followed logs lag behind: Podman looks for more four times a second, and what it has not read when the container is removed
is gone. A follower holds a shared lock on a file that is named for the run; who removes the container waits, not for
long, until nobody holds one. flock(2): the kernel lets go of it when a process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from buildr.host import cache

if TYPE_CHECKING:
    from collections.abc import Iterator

_KIND = "followed"
_FINISH_SECONDS = 3.0  # a follower whose own reader is slow shall not keep a container for ever
_PAUSE_SECONDS = 0.02


@contextlib.contextmanager
def following(run: str) -> Iterator[None]:
    """Say that this process follows the output of a run; where that cannot be said (a read-only home) follow without.

    Args:
        run: the value of the label `buildr.labels.RUN`.
    """
    lock = None
    with contextlib.suppress(OSError):
        cache.make_directory(_KIND)
        lock = os.open(_path(run), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if lock is not None:
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield
    finally:
        if lock is not None:
            _remove_if_alone(run, lock)
            os.close(lock)


def let_finish(run: str) -> None:
    """Wait until those who follow the output of a run have read it to its end; at once where nobody does.

    Args:
        run: one whose guest has ended.
    """
    try:
        lock = os.open(_path(run), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    try:
        deadline = time.monotonic() + _FINISH_SECONDS
        while not _remove_if_alone(run, lock) and time.monotonic() < deadline:
            time.sleep(_PAUSE_SECONDS)
    finally:
        os.close(lock)


def _remove_if_alone(run: str, lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    with contextlib.suppress(OSError):
        os.unlink(_path(run))
    return True


def _path(run: str) -> str:
    # Labels are anybody's: one that is no id must not lead elsewhere.
    return f"{cache.directory()}/{_KIND}/{cache.key(run)}"
