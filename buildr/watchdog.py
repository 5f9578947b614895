"""The watchdog: a small process that outlives the host process and ends its container when that dies.

It holds the read end of a pipe. When the host process has cleaned up itself it writes one byte; when it is killed the
kernel closes the pipe, and the watchdog ends the run's containers, which it finds by their label. It lives in a session of
its own, so that nothing meant for the host process reaches it. Until it is needed it is a bare interpreter that waits in
one read; only then it becomes a full one.

Usage: python -IS watchdog.py BACKEND ENDPOINT RUN GRACE_SECONDS [--end]
"""

from __future__ import annotations

import os
import sys

_DONE = b"."


class Watchdog:
    """A watchdog for one run; a context manager.

    Args:
        backend: the backend's name.
        endpoint: the engine's URL.
        run: the value of the label `buildr.identity.RUN`.
        grace_seconds: between SIGTERM and SIGKILL.
    """

    def __init__(self, backend: str, endpoint: str, run: str, grace_seconds: float) -> None:
        self._arguments = [backend, endpoint, run, str(grace_seconds)]
        self._pipe: int | None = None
        self._pid: int | None = None

    def __enter__(self) -> Watchdog:
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

    def __exit__(self, *_: object) -> None:
        """Tell it that there is nothing left to do."""
        if self._pipe is None or self._pid is None:
            return
        try:
            os.write(self._pipe, _DONE)
        except OSError:
            pass  # somebody killed it
        os.close(self._pipe)
        try:
            os.waitpid(self._pid, 0)
        except ChildProcessError:
            pass  # the script reaps its children itself


def watch(arguments: list[str]) -> None:
    """Wait for the host process's end; when it comes without a word, become the process that cleans up."""
    if os.read(0, 1) == _DONE:
        return
    # -P keeps the directory of this file, whose modules have common names, out of the module search.
    command = [sys.executable, "-P", "-m", "buildr.watchdog", *arguments, "--end"]
    os.execv(sys.executable, command)


def end(arguments: list[str]) -> None:
    """End the containers of a run.

    Raises:
        BuildrError: the engine cannot be reached; the next run's sweep remains.
    """
    from buildr.backend import Target
    from buildr.cleanup import end_run
    from buildr.registry import Choice, load

    backend, endpoint, run, grace_seconds = arguments
    connect = load(Choice(name=backend, origin="the watchdog"))
    engine = connect(Target(endpoint=endpoint))
    try:
        end_run(engine, run, float(grace_seconds))
    finally:
        engine.close()


if __name__ == "__main__":
    if sys.argv[-1] == "--end":
        end(sys.argv[1:-1])
    else:
        watch(sys.argv[1:])
