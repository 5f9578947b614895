"""The watchdog: a small process that outlives the host process and ends its container when that dies.

It is a guard (`buildr.host.guard`) that finds the run's containers by their label. The host process may also hand its own
clean-up over, where the engine has gone for now or the user does not want to wait.

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

# How long the process that cleans up tries: an engine that was lost may come back, and a slow one gets more than one try.
_LOST_SECONDS = 150.0
_MARK_FD = 3  # of the mark of the run, in the process
_PAUSE_SECONDS = 0.25
_SOON_SECONDS = 10.0  # in which most leftovers appear; after that it checks less often
_LATER_PAUSE_SECONDS = 1.0


class Watchdog(Guard):
    """A watchdog for one run; a context manager.

    Args:
        backend: the backend's name.
        endpoint: the engine's URL.
        run: the value of the label `buildr.labels.RUN`.
        grace_seconds: between SIGTERM and SIGKILL.
    """

    def __init__(self, backend: str, endpoint: str, run: str, grace_seconds: float) -> None:
        super().__init__("buildr.run.watchdog", backend, endpoint, run, str(grace_seconds))
        self._of = (backend, run)
        self._mark: Mark | None = None

    def __enter__(self) -> Self:
        """Start it, and mark the run as one that goes on."""
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
        """Hand on the mark: while it finishes the work, the run goes on for all that look at the mark."""
        file = None if self._mark is None else self._mark.file
        return [] if file is None or file < _MARK_FD else [(os.POSIX_SPAWN_DUP2, file, _MARK_FD)]

    def asked(self) -> None:
        """Note that the engine is being asked for a container, which may exist from now on."""
        self.say(ASKED)

    def created(self) -> None:
        """Note that the container exists."""
        self.say(CREATED)

    def refused(self) -> None:
        """Note that nothing comes of what the engine was asked for."""
        self.say(REFUSED)

    def removed(self) -> None:
        """Note that the container has been removed."""
        self.say(REMOVED)


def end(arguments: list[str], seconds: float, count: int) -> None:
    """End the containers of a run, and remove the temporary files of host processes that have gone.

    Args:
        arguments: the backend's name, the engine's URL, the run's id and its grace in seconds.
        seconds: how long to look for containers that may yet come.
        count: how many there may be in all.

    Raises:
        BackendError: the engine is not there and does not come back; the next run's sweep remains.
    """
    from buildr.engines.records import Target
    from buildr.engines.registry import Choice, load
    from buildr.host import marks, temporary

    backend, endpoint, run, grace_seconds = arguments
    connect = load(Choice(name=backend, origin="the watchdog"))
    temporary.sweep()  # the rest may take long; and again afterwards, if the host process only hands over
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
