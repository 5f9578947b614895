"""The watchdog: a small process that outlives the host process and ends its container when that dies.

It holds the read end of a pipe. When the host process has cleaned up itself it says so in one byte; when it is killed the
kernel closes the pipe, and the watchdog ends the run's containers, which it finds by their label. The host process may
also hand that over, where the engine has gone for now or the user does not want to wait. It lives in a session of its
own, so that nothing meant for the host process reaches it. Until it is needed it is a bare interpreter that waits in one
read; only then it becomes a full one. A guard is the same for other things that must not outlive the host process.

Usage: python -IS watchdog.py MODULE ARGUMENT…, and then
python -m MODULE ARGUMENT… --end SECONDS COUNT; of this module the arguments are BACKEND ENDPOINT RUN GRACE_SECONDS
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as type checkers know it: the module that has it is not for who only waits
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from buildr.engines.protocol import Backend
    from buildr.host.marks import Mark

_DONE = b"."  # there is nothing left to do
_ASKED = b"?"  # the engine is being asked for a container
_CREATED = b"+"  # it exists
_REFUSED = b"0"  # it will never
_REMOVED = b"-"  # it does no more
_AT_ONCE = b"!"  # the user has waited long enough: no grace

# How long the process that cleans up tries. An engine that was lost may come back; one that is only slow gets more than one try.
_LOST_SECONDS = 150.0
# A container may be in the making: an engine that was asked for one creates it, though nobody waits any more. A disk that is
# busy with a build can keep it so long that the host process, too, waits two minutes (`buildr_backends.http.client.ANSWER_SECONDS`).
_CREATING_SECONDS = 120.0
_MARK_FD = 3  # of the mark of the run, in the process
_PAUSE_SECONDS = 0.25
_SOON_SECONDS = 10.0  # in which most leftovers appear; after that it looks less often
_LATER_PAUSE_SECONDS = 1.0


class Guard:
    """A process that runs a module when this one has died; a context manager.

    Args:
        module: to be run as a program.
        arguments: for it.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._arguments = [module, *arguments]
        self._pipe: int | None = None
        self._pid: int | None = None
        self._taken_over = False

    def take_over(self) -> None:
        """Let it finish what this process cannot: it begins when this run has ended."""
        self._taken_over = True

    def _say(self, word: bytes) -> None:
        if self._pipe is not None:
            try:
                os.write(self._pipe, word)
            except OSError:
                pass  # somebody killed it

    def __enter__(self) -> Self:
        """Start it. Where no process can be started the run goes on without; the next run's sweep remains."""
        if not sys.executable:
            return self
        read, write = os.pipe2(os.O_CLOEXEC)
        try:
            self._pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-IS", os.path.abspath(__file__), *self._arguments],
                # What this process can import, the process that cleans up can; -I ignores it until then.
                {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path[1:]))},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, read, 0),
                    *self._handed_on(),
                    (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
                ],
                setsid=True,
            )
        except OSError:
            os.close(write)
        else:
            self._pipe = write
        finally:
            os.close(read)
        return self

    def _handed_on(self) -> list[tuple[int, int, int]]:
        """Return what more the process gets, as actions of posix_spawn(3)."""
        return []

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Tell it that there is nothing left to do; or let it do that, without waiting for it."""
        if self._pipe is None or self._pid is None:
            return
        forced = kind is not None and issubclass(kind, KeyboardInterrupt)
        if forced:
            self._say(_AT_ONCE)
        elif not self._taken_over:
            self._say(_DONE)
        pipe, self._pipe = self._pipe, None  # a word that comes later shall not go elsewhere
        os.close(pipe)
        if forced or self._taken_over:
            return
        try:
            os.waitpid(self._pid, 0)
        except ChildProcessError:
            pass  # the script reaps its children itself


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
        """See `Guard.__exit__`; the mark goes with what it stands for."""
        finishes = self._taken_over or (kind is not None and issubclass(kind, KeyboardInterrupt))
        super().__exit__(kind, *more)
        if self._mark is not None:
            self._mark.close() if finishes else self._mark.remove()

    def _handed_on(self) -> list[tuple[int, int, int]]:
        # As long as it finishes the work the run goes on for all who look at the mark.
        file = None if self._mark is None else self._mark.file
        return [] if file is None or file < _MARK_FD else [(os.POSIX_SPAWN_DUP2, file, _MARK_FD)]

    def asked(self) -> None:
        """Tell it that the engine is being asked for a container, which may exist from now on."""
        self._say(_ASKED)

    def created(self) -> None:
        """Tell it that the container exists."""
        self._say(_CREATED)

    def refused(self) -> None:
        """Tell it that nothing comes of what the engine was asked for."""
        self._say(_REFUSED)

    def removed(self) -> None:
        """Tell it that the container has been removed."""
        self._say(_REMOVED)


def watch(arguments: list[str]) -> None:
    """Wait for the host process's end; when it comes without a word, become the process that cleans up."""
    asked = there = 0
    while True:
        word = os.read(0, 1)
        if word == _DONE:
            os._exit(0)  # the host process waits for this end
        if word == _ASKED:
            asked += 1
        elif word == _CREATED:
            asked, there = asked - 1, there + 1
        elif word == _REFUSED:
            asked -= 1
        elif word == _REMOVED:
            there -= 1
        elif word == _AT_ONCE:
            arguments[-1] = "0"
        else:
            break
    words = "--end", str(_CREATING_SECONDS if asked > 0 else 0), str(asked + there)
    # -P keeps the directory of this file, whose modules have common names, out of the module search.
    command = [sys.executable, "-P", "-m", *arguments, *words]
    os.execv(sys.executable, command)


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
    temporary.sweep()  # what follows may take long; and once more afterwards, if the host process only hands over
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
    if sys.argv[-3:-2] == ["--end"]:
        end(sys.argv[1:-3], float(sys.argv[-2]), int(sys.argv[-1]))
    else:
        watch(sys.argv[1:])
