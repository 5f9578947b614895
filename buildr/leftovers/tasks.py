"""The tasks of housekeeping on an engine, their notes, and their retries.

See `buildr.leftovers.housekeeping` for the process.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

import msgspec

from buildr.host import cache, marks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildr.engines.protocol import Backend
    from buildr.engines.records import EngineInfo
    from buildr.leftovers.old_images import OldImages

FOLDER = "housekeeping"
"""The folder of its files in the cache."""
_FIRST_PAUSE_SECONDS = 30.0  # after a failure; doubled by each further one
_LONGEST_PAUSE_SECONDS = 6 * 3600.0


def note(info: EngineInfo, old: OldImages) -> None:
    """Note that a project has a new image. If that fails, old images are removed after a later build."""
    if (folder := cache.lock_directory(FOLDER, make=True)) is None:
        return
    with contextlib.suppress(OSError):
        name = f"{_notes(info.backend)}{cache.key(old.project, old.newest)}"
        temporary = f"{folder}/.{os.getpid()}-{os.urandom(6).hex()}"
        with open(temporary, "xb") as file:
            file.write(msgspec.json.encode(old))
        os.rename(temporary, f"{folder}/{name}")


class Task:
    """One task on one engine, with its retries.

    Args:
        backend: the backend's name.
        name: the name of the task.
        wanted: returns whether there is work.
        do: carries it out; returns whether everything is done.
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
        self._path = path_of(backend, f"{name}-pause")
        self.do = do

    @property
    def due(self) -> bool:
        """Whether there is work, and the pause is over."""
        if not self._wanted(self._backend):
            return False
        _, until = self._pause()
        return (
            not 0 < until - time.time() < 2 * _LONGEST_PAUSE_SECONDS
        )  # the clock may have been set back

    def postpone(self) -> None:
        """Postpone it, for longer than before."""
        failures, _ = self._pause()
        failures = min(failures, 30)
        pause = min(_FIRST_PAUSE_SECONDS * 2**failures, _LONGEST_PAUSE_SECONDS)
        with contextlib.suppress(OSError), open(self._path, "w", encoding="ascii") as file:
            file.write(f"{failures + 1} {time.time() + pause:.0f}")

    def succeeded(self) -> None:
        """Reset the pause."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def _pause(self) -> tuple[int, float]:
        """Return the number of failures, and the end of the pause in seconds since the epoch."""
        try:
            with open(self._path, encoding="ascii") as file:
                failures, until = file.read(64).split()
            return max(0, int(failures)), float(until)
        except (OSError, ValueError):
            return 0, 0.0


def every(backend: str) -> Iterator[Task]:
    """Yield all tasks."""
    yield Task(backend, "runs", _runs_are_left, _sweep_runs)
    yield Task(backend, "builds", _builds_are_left, _sweep_builds)
    yield Task(backend, "images", _images_are_old, _collect_images)


def due(backend: str) -> Iterator[Task]:
    """Yield the tasks that are due."""
    return (task for task in every(backend) if task.due)


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
    if (folder := cache.lock_directory(FOLDER)) is None:
        return
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(_notes(backend)):
                yield f"{folder}/{name}"


def _notes(backend: str) -> str:
    return f"{cache.key(backend)[:8]}-new-"


def path_of(backend: str, name: str) -> str:
    """Return the path of a file of housekeeping on an engine."""
    folder = cache.lock_directory(FOLDER) or os.devnull  # a path at which nothing can be opened
    return f"{folder}/{cache.key(backend)[:8]}-{name}"
