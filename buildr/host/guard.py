"""A guard: a small process that outlives this one, and runs a module when this one has died.

It holds the read end of a pipe. When this process has cleaned up itself it says so in one byte; when it is killed the
kernel closes the pipe, and the guard becomes the program that cleans up. This process may also hand that over. The guard
has a session of its own, so that nothing meant for this process reaches it. Until it is needed it is a bare interpreter that
waits in one read; only then does it become a full one.

Usage: python -IS guard.py MODULE ARGUMENT…, and then
python -m MODULE ARGUMENT… --end SECONDS COUNT
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as type checkers know it: importing typing would cost more than the waiting process does
if TYPE_CHECKING:
    from typing import Self

DONE = b"."  # there is nothing left to do
ASKED = b"?"  # the engine is being asked for a container
CREATED = b"+"  # it exists
REFUSED = b"0"  # it will never exist
REMOVED = b"-"  # it no longer exists
AT_ONCE = b"!"  # the user has waited long enough: no grace

# A container may be in the making: an engine that was asked for one creates it, even if the request was abandoned. A disk that is
# busy with a build can keep it so long that the host process, too, waits two minutes (`buildr_backends.http.client.ANSWER_SECONDS`).
CREATING_SECONDS = 120.0


_open: list[Guard] = []


def _let_go() -> None:
    """Close what a child of this process has of its guards: they wait for the end of the parent alone."""
    while _open:
        guard = _open.pop()
        guard.let_go()


os.register_at_fork(after_in_child=_let_go)


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
        self.taken_over = False

    def take_over(self, *, at_once: bool = False) -> bool:
        """Let it finish what this process cannot: it begins when this run has ended.

        Args:
            at_once: whether a guest gets no grace.

        Returns:
            Whether there is a process that takes over.
        """
        self.taken_over = True
        if at_once:
            self.say(AT_ONCE)
        return self._pipe is not None

    def let_go(self) -> None:
        """Be the child of the process that it watches, in which it does nothing."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None

    def say(self, word: bytes) -> None:
        """Send it one of the words of this module."""
        if self._pipe is not None:
            try:
                os.write(self._pipe, word)
            except OSError:
                pass  # something killed it

    def __enter__(self) -> Self:
        """Start it. Where no process can be started the work goes on without it; the next run sweeps up."""
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
        """Return what more the process gets, as actions of posix_spawn(3)."""
        return []

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Let it end, since there is nothing left to do; or let it finish, without waiting for it."""
        if self._pipe is None or self._pid is None:
            return
        forced = kind is not None and issubclass(kind, KeyboardInterrupt)
        if forced:
            self.say(AT_ONCE)
        elif not self.taken_over:
            self.say(DONE)
        _open.remove(self)
        pipe, self._pipe = self._pipe, None  # a word that comes later must not go elsewhere
        os.close(pipe)
        if forced or self.taken_over:
            return
        try:
            os.waitpid(self._pid, 0)
        except ChildProcessError:
            pass  # the script reaps its children itself


def watch(arguments: list[str]) -> None:
    """Wait for the end of the process that has started this one; if it comes without a word, become the process that cleans up."""
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
