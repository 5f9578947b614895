"""Scripts in separate processes with a fake engine, for tests that need a whole process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import subprocess
import sys
import termios
import textwrap
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_KEPT = ("COVERAGE_", "LANG", "LC_", "PATH", "PYTHONPATH", "TMPDIR")
SECONDS = 60
"""No process here takes longer, however slow the machine; one that does is killed."""

APP = """\
import signal, sys, threading
from buildr import Containerize
from buildr.errors import *
from buildr.testing import FakeBackend, using

{setup}

def guest(container):
{guest}

backend = FakeBackend(guest)
{faults}

@Containerize({options})
def main():
    print("this line never runs on the host")

if __name__ == "__main__":
    with using(backend):
        {call}
    print("this line runs only where the call returns")
"""


def app(
    guest: str = "return 0",
    *,
    setup: str = "",
    faults: str = "",
    options: str = "",
    call: str = "main()",
) -> str:
    """Return a decorated script whose guest is a function's body."""
    return APP.format(
        setup=setup,
        guest=textwrap.indent(textwrap.dedent(guest), "    "),
        faults=faults,
        options=options,
        call=textwrap.indent(call, " " * 8).strip(),
    )


def environment(more: Mapping[str, str] | None = None, *, measured: bool = True) -> dict[str, str]:
    """Return an environment in which nothing of ours decides anything.

    Args:
        more: variables beside it.
        measured: whether coverage is measured, where it is measured here.
    """
    kept = {name: value for name, value in os.environ.items() if name.startswith(_KEPT)}
    if not measured:
        kept = {name: value for name, value in kept.items() if not name.startswith("COVERAGE_")}
    # A home in which nothing can be written, by root either.
    return {**kept, "HOME": "/dev/null", **(more or {})}


@contextlib.contextmanager
def running(
    *words: str | Path,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    measured: bool = True,
    **options: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start Python, by default with pipes for all three streams; kill it if it still runs at the end."""
    streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = subprocess.Popen(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env=environment(env, measured=measured),
        **{**streams, **options},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        process.wait()


def python(
    *words: str | Path,
    cwd: Path,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> subprocess.CompletedProcess[bytes]:
    """Run Python to its end."""
    with running(*words, cwd=cwd, env=env, **options) as process:
        return end(process, stdin)


def end(process: subprocess.Popen[bytes], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Wait for a process's end; return its status and the rest of its output."""
    stdout, stderr = process.communicate(stdin, timeout=SECONDS)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def line(process: subprocess.Popen[bytes]) -> bytes:
    """Wait for one line of a process's output: the way to know how far it is."""
    assert process.stdout is not None
    return process.stdout.readline()


class OnTerminal:
    """Python on a terminal of its own, which it controls; a context manager.

    Attributes:
        process: as it runs.
        all: all that it has written so far.
        seen: what of it has not been waited for yet.
    """

    def __init__(self, *words: str | Path, cwd: Path, rows: int = 24, columns: int = 80) -> None:
        self._words = words
        self._cwd = cwd
        self._size = (rows, columns)
        self.all = b""
        self.seen = b""

    def __enter__(self) -> Self:
        self._ours, self.slave = pty.openpty()
        self.resize(*self._size)
        self._stack = contextlib.ExitStack()
        for fd in (self._ours, self.slave):
            self._stack.callback(os.close, fd)
        self.process = self._stack.enter_context(
            running(
                *self._words,
                cwd=self._cwd,
                env={"TERM": "xterm"},
                stdin=self.slave,
                stdout=self.slave,
                stderr=self.slave,
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            )
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def resize(self, rows: int, columns: int) -> None:
        """Change the terminal's size."""
        termios.tcsetwinsize(self._ours, (rows, columns))

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._ours, keys)

    def modes(self) -> list[Any]:
        """Return how the terminal is set, as termios.tcgetattr() tells it."""
        return termios.tcgetattr(self.slave)

    def wait_for(self, text: bytes) -> None:
        """Read until a text has been written that was not there at the last call."""
        limit = time.monotonic() + SECONDS
        while text not in self.seen:
            ready, _, _ = select.select((self._ours,), (), (), max(0.0, limit - time.monotonic()))
            assert ready, f"{text!r} did not come: {self.seen[-1000:]!r}"
            written = os.read(self._ours, 65536)
            self.all += written
            self.seen += written
        self.seen = self.seen.partition(text)[2]

    def end(self) -> int:
        """Wait for the end of the process; return its status."""
        return self.process.wait(SECONDS)
