"""Housekeeping: what killed runs and builds have left, and images that are old now, goes by a process of its own.

The end of a run only looks whether there is anything to do, in files of its own: it asks no engine, and does not wait.
What runs and builds have left is known by their marks (`buildr.host.marks`), and old images by a note of the run that has built
a new one. The process does one kind of work after the other, and tries again later, and less and less often, what it
could not do: another process builds, say, or the engine is too slow. There is one at a time for each engine.

Usage: python -P -m MODULE BACKEND ENDPOINT WORK…, with the lock as descriptor 3
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
from typing import TYPE_CHECKING

from buildr.engines.engine import IN_MEMORY
from buildr.host import cache, children
from buildr.leftovers import housework

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildr.engines.protocol import Backend
    from buildr.engines.records import EngineInfo
    from buildr.leftovers.old_images import OldImages

_MOST_SECONDS = 600  # for all that one process does; an engine may never answer
_NICE = 10
_LOCK_FD = 3


def collect_later(info: EngineInfo, old: OldImages) -> None:
    """Note that a project has a new image, and begin to remove old ones."""
    housework.note(info, old)
    begin(info)


@contextlib.contextmanager
def afterwards(info: EngineInfo) -> Iterator[None]:
    """Begin with what there is to do when all that is inside has ended, however it does."""
    try:
        yield
    finally:
        begin(info)


def begin(info: EngineInfo) -> None:
    """Start the process, if there is anything for it to do; never waits."""
    if info.endpoint.startswith(IN_MEMORY) or not sys.executable:
        return
    with (
        contextlib.suppress(OSError),
        take(info.backend) as (lock, names),
    ):  # or a later run does it
        if names:
            _start(lock, info, names)


@contextlib.contextmanager
def take(backend: str) -> Iterator[tuple[int, list[str]]]:
    """Take on the work that there is on an engine.

    Args:
        backend: the backend's name.

    Yields:
        The descriptor of a lock, flock(2), which the worker has to hold, and the names of the kinds of work: none
        where another process works, or where nothing is to be done.
    """
    lock = _lock(backend) if any(housework.due(backend)) else None
    if lock is None:
        yield -1, []
        return
    try:
        due = [*housework.due(backend)]  # since somebody may just have done it
        for work in due:
            work.postpone()  # the process may be killed
        yield lock, [work.name for work in due]
    finally:
        os.close(lock)


def _lock(backend: str) -> int | None:
    """Return the descriptor of the lock; ``None`` where another process has it, or it cannot be had."""
    try:
        cache.lock_directory(housework.FOLDER, make=True)
        lock = os.open(
            housework.path_of(backend, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _start(lock: int, info: EngineInfo, names: list[str]) -> None:
    children.collect()
    search = map(os.path.abspath, filter(None, sys.path[1:]))
    command = [sys.executable, "-P", "-m", __name__, info.backend, info.endpoint, *names]
    pid = os.posix_spawn(
        sys.executable,
        command,
        {**os.environ, "PYTHONPATH": os.pathsep.join(search)},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, lock, _LOCK_FD),
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
            *((os.POSIX_SPAWN_CLOSE, found) for found in children.inherited(_LOCK_FD)),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGALRM,),
    )
    children.note(pid)


# The process --------------------------------------------------------------------------------------


def keep_house(backend: str, connect: Callable[[], Backend], names: list[str]) -> None:
    """Do work that was taken on, and what comes up meanwhile.

    Args:
        backend: the backend's name.
        connect: reaches the engine.
        names: of the kinds of work.
    """
    from buildr.errors import BackendError

    failed: set[str] = set()
    due = [work for work in housework.every(backend) if work.name in names]
    while due:
        failed |= {work.name for work in due}
        with contextlib.suppress(BackendError), contextlib.closing(connect()) as engine:
            for work in due:
                with contextlib.suppress(BackendError):
                    if work.do(engine):
                        work.succeeded()
                        failed.discard(work.name)
        due = [work for work in housework.due(backend) if work.name not in failed]
        for work in due:
            work.postpone()


def _main(backend: str, endpoint: str, *names: str) -> None:
    from buildr.engines.records import Target
    from buildr.engines.registry import Choice, load

    signal.alarm(_MOST_SECONDS)  # its default action ends the process, whatever it waits for
    os.nice(_NICE)
    os.chdir("/")  # somebody may want to unmount the user's
    connect = load(Choice(name=backend, origin="housekeeping"))
    keep_house(backend, lambda: connect(Target(endpoint=endpoint)), [*names])


if __name__ == "__main__":
    _main(*sys.argv[1:])
