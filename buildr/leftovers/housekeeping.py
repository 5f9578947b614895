"""Housekeeping: a background process removes leftovers of killed runs and builds, and old images.

At its end a run only checks local files for work: it sends no request to the engine, and does not wait. Leftovers are
known by marks (`buildr.host.marks`), old images by a note of the run that built a new one. The process carries out one
task after another, and retries failed ones with growing pauses, for example if another process is building or the
engine is slow. There is one process at a time for each engine.

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

_MOST_SECONDS = 600  # for all tasks of one process; an engine may never answer
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
    """Start the process if there is work for it; never waits."""
    if info.endpoint.startswith(IN_MEMORY) or not sys.executable:
        return
    with (
        contextlib.suppress(OSError),
        take(info.backend) as (lock, names),
    ):  # otherwise a later run does it
        if names:
            _start(lock, info, names)


@contextlib.contextmanager
def take(backend: str) -> Iterator[tuple[int, list[str]]]:
    """Claim the tasks that are due on an engine.

    Args:
        backend: the backend's name.

    Yields:
        The descriptor of a lock, flock(2), which the worker has to hold, and the names of the tasks: none if another
        process is working or nothing is due.
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
    """Return the descriptor of the lock; ``None`` if another process holds it or it cannot be created."""
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
    """Run the claimed tasks, and those that become due meanwhile.

    Args:
        backend: the backend's name.
        connect: connects to the engine.
        names: the names of the tasks.
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

    signal.alarm(_MOST_SECONDS)  # its default action ends the process in any state
    os.nice(_NICE)
    os.chdir("/")  # so that the user's directory can be unmounted
    connect = load(Choice(name=backend, origin="housekeeping"))
    run_tasks(backend, lambda: connect(Target(endpoint=endpoint)), [*names])


if __name__ == "__main__":
    _main(*sys.argv[1:])
