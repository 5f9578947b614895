"""Housekeeping: what killed runs and builds have left, and images that are old now, goes by a process of its own.

The end of a run only looks whether there is anything to do, in files of its own: it asks no engine, and waits for nobody.
What runs and builds have left is told by their marks (`buildr.host.marks`), and old images by a note of the run that has built
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
import time
from typing import TYPE_CHECKING

import msgspec

from buildr.engines.engine import IN_MEMORY
from buildr.host import cache, children, marks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildr.engines.protocol import Backend
    from buildr.engines.records import EngineInfo
    from buildr.leftovers.old_images import OldImages

_FOLDER = "housekeeping"
_MOST_SECONDS = 600  # for all that one process does; an engine may never answer
_FIRST_PAUSE_SECONDS = 30.0  # after a failure; each further one doubles it
_LONGEST_PAUSE_SECONDS = 6 * 3600.0
_NICE = 10
_LOCK_FD = 3


def collect_later(info: EngineInfo, old: OldImages) -> None:
    """Note that a project has a new image, and begin to remove old ones."""
    note(info, old)
    begin(info)


def note(info: EngineInfo, old: OldImages) -> None:
    """Note that a project has a new image; where nothing can be written, its old ones go after a later build."""
    if (folder := cache.lock_directory(_FOLDER, make=True)) is None:
        return
    with contextlib.suppress(OSError):
        name = f"{_notes(info.backend)}{cache.key(old.project, old.newest)}"
        temporary = f"{folder}/.{os.getpid()}-{os.urandom(6).hex()}"
        with open(temporary, "xb") as file:
            file.write(msgspec.json.encode(old))
        os.rename(temporary, f"{folder}/{name}")


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
        The descriptor of a lock, flock(2), which whoever does the work has to hold, and the names of the kinds of work: none
        where another process works, or where nothing is to be done.
    """
    lock = _lock(backend) if any(_due(backend)) else None
    if lock is None:
        yield -1, []
        return
    try:
        due = [*_due(backend)]  # since somebody may just have done it
        for work in due:
            work.postpone()  # whoever does it may be killed
        yield lock, [work.name for work in due]
    finally:
        os.close(lock)


def _lock(backend: str) -> int | None:
    """Return the descriptor of the lock; ``None`` where another process has it, or it cannot be had."""
    try:
        cache.lock_directory(_FOLDER, make=True)
        lock = os.open(_path(backend, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
    due = [work for work in _all(backend) if work.name in names]
    while due:
        failed |= {work.name for work in due}
        with contextlib.suppress(BackendError), contextlib.closing(connect()) as engine:
            for work in due:
                with contextlib.suppress(BackendError):
                    if work.do(engine):
                        work.succeeded()
                        failed.discard(work.name)
        due = [work for work in _due(backend) if work.name not in failed]
        for work in due:
            work.postpone()


class _Work:
    """One kind of work on one engine, and when it is tried again after a failure.

    Args:
        backend: the backend's name.
        name: of the work.
        wanted: whether there is any.
        do: does it; returns whether all is done.
    """

    def __init__(
        self,
        backend: str,
        name: str,
        wanted: Callable[[str], bool],
        do: Callable[[Backend], bool],
    ) -> None:
        self.name = name
        self._backend = backend
        self._wanted = wanted
        self._path = _path(backend, f"{name}-pause")
        self.do = do

    @property
    def due(self) -> bool:
        """Whether there is any, and it is not too early to try again."""
        if not self._wanted(self._backend):
            return False
        _, until = self._pause()
        return not 0 < until - time.time() < 2 * _LONGEST_PAUSE_SECONDS  # clocks may be set back

    def postpone(self) -> None:
        """Let it wait, for longer than the last time."""
        failures, _ = self._pause()
        failures = min(failures, 30)
        pause = min(_FIRST_PAUSE_SECONDS * 2**failures, _LONGEST_PAUSE_SECONDS)
        with contextlib.suppress(OSError), open(self._path, "w", encoding="ascii") as file:
            file.write(f"{failures + 1} {time.time() + pause:.0f}")

    def succeeded(self) -> None:
        """Forget failures."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def _pause(self) -> tuple[int, float]:
        """Return how often it has failed, and until when it waits, in seconds since the epoch."""
        try:
            with open(self._path, encoding="ascii") as file:
                failures, until = file.read(64).split()
            return max(0, int(failures)), float(until)
        except (OSError, ValueError):
            return 0, 0.0


def _all(backend: str) -> Iterator[_Work]:
    yield _Work(backend, "runs", _runs_are_left, _sweep_runs)
    yield _Work(backend, "builds", _builds_are_left, _sweep_builds)
    yield _Work(backend, "images", _images_are_old, _collect_images)


def _due(backend: str) -> Iterator[_Work]:
    return (work for work in _all(backend) if work.due)


def _runs_are_left(backend: str) -> bool:
    return bool(marks.left("run", backend))


def _sweep_runs(backend: Backend) -> bool:
    from buildr.host import temporary
    from buildr.run.cleanup import left_behind, sweep

    left = marks.left("run", backend.info.backend)
    temporary.sweep()
    sweep(backend)
    if left_behind(backend):
        return False
    marks.remove(left)
    return True


def _builds_are_left(backend: str) -> bool:
    return bool(marks.left("build", backend))


def _sweep_builds(backend: Backend) -> bool:
    from buildr.host import temporary
    from buildr.leftovers.prune import sweep_images

    temporary.sweep()
    return sweep_images(backend)


def _images_are_old(backend: str) -> bool:
    return next(_noted(backend), None) is not None


def _collect_images(backend: Backend) -> bool:
    from buildr.leftovers.old_images import OldImages, collect

    for path in _noted(backend.info.backend):
        with contextlib.suppress(OSError, msgspec.DecodeError):
            with open(path, "rb") as file:
                old = msgspec.json.decode(file.read(), type=OldImages)
            if not collect(backend, old):
                return False
        with contextlib.suppress(OSError):
            os.unlink(path)
    return True


def _noted(backend: str) -> Iterator[str]:
    if (folder := cache.lock_directory(_FOLDER)) is None:
        return
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(_notes(backend)):
                yield f"{folder}/{name}"


def _notes(backend: str) -> str:
    return f"{cache.key(backend)[:8]}-new-"


def _path(backend: str, name: str) -> str:
    folder = cache.lock_directory(_FOLDER) or os.devnull  # below which nothing can be opened
    return f"{folder}/{cache.key(backend)[:8]}-{name}"


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
