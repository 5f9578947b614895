"""The watchdog: a small process that outlives the host process and ends its container if it dies.

It is a guard (`buildr.host.guard`) that finds the run's containers by their label. The host process can also hand its
clean-up over, if the engine is lost or the user does not want to wait.

Usage: python -m buildr.run.watchdog BACKEND ENDPOINT RUN GRACE_SECONDS --end SECONDS COUNT
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from buildr.host.guard import ASKED, CREATED, REFUSED, REMOVED, Guard

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from buildr.engines.protocol import Backend
    from buildr.host.marks import Mark

# How long the clean-up tries: a lost engine may come back, and a slow one gets several attempts.
_LOST_SECONDS = 150.0
_MARK_FD = 3  # the descriptor of the run's mark in the process
_PAUSE_SECONDS = 0.25
_SOON_SECONDS = 10.0  # most leftovers appear in this time; after that it checks less often
_LATER_PAUSE_SECONDS = 1.0


class Watchdog(Guard):
    """A watchdog for one run; a context manager.

    Args:
        backend: the backend's name.
        endpoint: the engine's URL.
        run: the value of the label `buildr.labels.RUN`.
        grace_seconds: the time between SIGTERM and SIGKILL.
    """

    def __init__(self, backend: str, endpoint: str, run: str, grace_seconds: float) -> None:
        super().__init__("buildr.run.watchdog", backend, endpoint, run, str(grace_seconds))
        self._of = (backend, run)
        self._mark: Mark | None = None

    def __enter__(self) -> Self:
        """Start it, and mark the run as running."""
        from buildr.host.marks import Mark

        self._mark = Mark("run", *self._of)
        return super().__enter__()

    def __exit__(self, kind: type[BaseException] | None, *more: object) -> None:
        """See `Guard.__exit__`; the mark is removed with the run."""
        finishes = self.taken_over or (kind is not None and issubclass(kind, KeyboardInterrupt))
        super().__exit__(kind, *more)
        if self._mark is not None:
            self._mark.close() if finishes else self._mark.remove()

    def handed_on(self) -> list[tuple[int, int, int]]:
        """Pass on the mark, so that the run counts as running until the watchdog has finished."""
        file = None if self._mark is None else self._mark.file
        return [] if file is None or file < _MARK_FD else [(os.POSIX_SPAWN_DUP2, file, _MARK_FD)]

    def asked(self) -> None:
        """Note that a container has been requested and may exist from now on."""
        self.say(ASKED)

    def created(self) -> None:
        """Note that the container exists."""
        self.say(CREATED)

    def refused(self) -> None:
        """Note that the requested container was not created."""
        self.say(REFUSED)

    def removed(self) -> None:
        """Note that the container has been removed."""
        self.say(REMOVED)


def end(arguments: list[str], seconds: float, count: int) -> None:
    """End the containers of a run, and remove temporary files of ended host processes.

    Args:
        arguments: the backend's name, the engine's URL, the run's id and its grace period in seconds.
        seconds: how long to look for late containers.
        count: the maximum number of containers.

    Raises:
        BackendError: the engine is gone and does not come back; the next run cleans up.
    """
    from buildr.engines.records import Target
    from buildr.engines.registry import Choice, load
    from buildr.host import marks, temporary

    backend, endpoint, run, grace_seconds = arguments
    connect = load(Choice(name=backend, origin="the watchdog"))
    temporary.sweep()  # before the rest, which may take long; and again afterwards, if the host process only hands over
    try:
        _end(lambda: connect(Target(endpoint=endpoint)), run, float(grace_seconds), seconds, count)
        marks.remove_named(run)
    finally:
        temporary.sweep()


def _end(
    connect: Callable[[], Backend], run: str, grace_seconds: float, seconds: float, count: int
) -> None:
    import time

    from buildr.errors import BackendError
    from buildr.run.cleanup import end_run

    begun = time.monotonic()
    found: set[str] = set()
    while True:
        try:
            engine = connect()
            try:
                found |= end_run(engine, run, grace_seconds)
            finally:
                engine.close()
        except BackendError:
            if time.monotonic() > begun + _LOST_SECONDS:
                raise
        else:
            if len(found) >= count or time.monotonic() > begun + seconds:
                return
        soon = time.monotonic() < begun + _SOON_SECONDS
        time.sleep(_PAUSE_SECONDS if soon else _LATER_PAUSE_SECONDS)


if __name__ == "__main__":
    end(sys.argv[1:-3], float(sys.argv[-2]), int(sys.argv[-1]))
