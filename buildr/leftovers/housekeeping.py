"""Housekeeping: a process of its own removes what killed runs and builds have left, and images that are old now.

The end of a run only looks whether there is anything to do, in files of its own: it asks no engine, and does not wait.
What runs and builds have left is known by their marks (`buildr.host.marks`), and old images by a note of the run that has built
a new one. The process does one task after the other, and retries with growing pauses what it could not do: another process is building,
say, or the engine is too slow. There is one at a time for each engine.

Usage: python -P -m MODULE BACKEND ENDPOINT TASK…, with the lock as descriptor 3
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
from buildr.leftovers import tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildr.engines.protocol import Backend
    from buildr.engines.records import EngineInfo
    from buildr.leftovers.old_images import OldImages

_MOST_SECONDS = 600  # for all that one process does; an engine may never answer
_NICE = 10
_LOCK_FD = 3


def collect_later(info: EngineInfo, old: OldImages) -> None:
    """Note that a project has a new image, and start to remove old ones."""
    tasks.note(info, old)
    begin(info)


@contextlib.contextmanager
def afterwards(info: EngineInfo) -> Iterator[None]:
    """Start housekeeping at the end of the block, however it ends."""
    try:
        yield
    finally:
        begin(info)


def begin(info: EngineInfo) -> None:
    """Start the process if there is anything for it to do; never waits."""
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
    """Claim the tasks that are due on an engine.

    Args:
        backend: the backend's name.

    Yields:
        The descriptor of a lock, flock(2), which the worker has to hold, and the names of the tasks: none if another
        process is at work, or if nothing is due.
    """
    lock = _lock(backend) if any(tasks.due(backend)) else None
    if lock is None:
        yield -1, []
        return
    try:
        due = [*tasks.due(backend)]  # another process may just have done it
        for task in due:
            task.postpone()  # the process may be killed
        yield lock, [task.name for task in due]
    finally:
        os.close(lock)


def _lock(backend: str) -> int | None:
    """Return the descriptor of the lock; ``None`` if another process has it, or it cannot be created."""
    try:
        cache.lock_directory(tasks.FOLDER, make=True)
        lock = os.open(tasks.path_of(backend, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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


def run_tasks(backend: str, connect: Callable[[], Backend], names: list[str]) -> None:
    """Run tasks that were claimed, and those that become due meanwhile.

    Args:
        backend: the backend's name.
        connect: reaches the engine.
        names: of the tasks.
    """
    from buildr.errors import BackendError

    failed: set[str] = set()
    due = [task for task in tasks.every(backend) if task.name in names]
    while due:
        failed |= {task.name for task in due}
        with contextlib.suppress(BackendError), contextlib.closing(connect()) as engine:
            for task in due:
                with contextlib.suppress(BackendError):
                    if task.do(engine):
                        task.succeeded()
                        failed.discard(task.name)
        due = [task for task in tasks.due(backend) if task.name not in failed]
        for task in due:
            task.postpone()


def _main(backend: str, endpoint: str, *names: str) -> None:
    from buildr.engines.records import Target
    from buildr.engines.registry import Choice, load

    signal.alarm(_MOST_SECONDS)  # its default action ends the process, whatever it waits for
    os.nice(_NICE)
    os.chdir("/")  # the user's may be about to be unmounted
    connect = load(Choice(name=backend, origin="housekeeping"))
    run_tasks(backend, lambda: connect(Target(endpoint=endpoint)), [*names])


if __name__ == "__main__":
    _main(*sys.argv[1:])
