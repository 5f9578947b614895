"""A guard: a small process that outlives this one and runs a module if this one dies.

It holds the read end of a pipe. When this process has cleaned up, it writes one byte; if it is killed, the kernel
closes the pipe, and the guard executes the program that cleans up. This process can also hand its clean-up over. The
guard has its own session, so that signals for this process do not reach it. Until it is needed, it is a bare
interpreter that waits in a read.

Usage: python -IS guard.py MODULE ARGUMENT…, and then
python -m MODULE ARGUMENT… --end SECONDS COUNT
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = (
    False  # for type checkers: importing typing would cost more than the whole waiting process
)
if TYPE_CHECKING:
    from typing import Self

DONE = b"."  # there is nothing left to do
ASKED = b"?"  # the engine is being asked for a container
CREATED = b"+"  # it exists
REFUSED = b"0"  # it will never exist
REMOVED = b"-"  # it no longer exists
AT_ONCE = b"!"  # the user has waited long enough: no grace

# An engine creates a requested container even if the request was abandoned. If a build keeps the disk busy, this can
# take as long as a host process waits for an answer (`buildr_backends.http.client.ANSWER_SECONDS`).
CREATING_SECONDS = 120.0


_open: list[Guard] = []


def _let_go() -> None:
    """Close the guards' pipes in a forked child, since guards wait for the end of the parent only."""
    while _open:
        guard = _open.pop()
        guard.let_go()


os.register_at_fork(after_in_child=_let_go)


class Guard:
    """A process that runs a module if this one dies; a context manager.

    Args:
        module: the module to run as a program.
        arguments: its arguments.
    """

    def __init__(self, module: str, *arguments: str) -> None:
        self._arguments = [module, *arguments]
        self._pipe: int | None = None
        self._pid: int | None = None
        self.taken_over = False

    def take_over(self, *, at_once: bool = False) -> bool:
        """Hand the clean-up over to it; it begins when this run has ended.

        Args:
            at_once: whether to skip the grace period.

        Returns:
            Whether there is a process that takes over.
        """
        self.taken_over = True
        if at_once:
            self.say(AT_ONCE)
        return self._pipe is not None

    def let_go(self) -> None:
        """Disable it in a forked child."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None

    def say(self, word: bytes) -> None:
        """Send it a command of this module."""
        if self._pipe is not None:
            try:
                os.write(self._pipe, word)
            except OSError:
                pass  # something killed it

    def __enter__(self) -> Self:
        """Start it. If no process can be started, continue without it; the next run cleans up."""
        if not sys.executable:
            return self
        read, write = os.pipe2(os.O_CLOEXEC)
        try:
            self._pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-IS", os.path.abspath(__file__), *self._arguments],
                # The module search path of this process, for the clean-up; -I ignores it until then.
                {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path[1:]))},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, read, 0),
                    *self.handed_on(),
                    (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
                ],
                setsid=True,
            )
        except OSError:
            os.close(write)
        else:
            self._pipe = write
            _open.append(self)
        finally:
            os.close(read)
        return self

    def handed_on(self) -> list[tuple[int, int, int]]:
        """Return further file actions of posix_spawn(3)."""
        return []

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End it, or let it finish without waiting for it."""
        if self._pipe is None or self._pid is None:
            return
        forced = kind is not None and issubclass(kind, KeyboardInterrupt)
        if forced:
            self.say(AT_ONCE)
        elif not self.taken_over:
            self.say(DONE)
        _open.remove(self)
        pipe, self._pipe = self._pipe, None  # a later command must not reach another file
        os.close(pipe)
        if forced or self.taken_over:
            return
        try:
            os.waitpid(self._pid, 0)
        except ChildProcessError:
            pass  # the script reaps its children itself


def watch(arguments: list[str]) -> None:
    """Wait for the end of the parent; if it ends without a command, execute the program that cleans up."""
    asked = there = 0
    while True:
        word = os.read(0, 1)
        if word == DONE:
            os._exit(0)  # the host process waits for this end
        if word == ASKED:
            asked += 1
        elif word == CREATED:
            asked, there = asked - 1, there + 1
        elif word == REFUSED:
            asked -= 1
        elif word == REMOVED:
            there -= 1
        elif word == AT_ONCE:
            arguments[-1] = "0"
        else:
            break
    words = "--end", str(CREATING_SECONDS if asked > 0 else 0), str(asked + there)
    # -P keeps the directory of this file, whose modules have common names, out of the module search.
    command = [sys.executable, "-P", "-m", *arguments, *words]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    watch(sys.argv[1:])
