"""On a terminal the guest has one too, and the host's is restored."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import sys
import termios
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.harness import as_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.harness import Guest

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

SECONDS = 120  # longer than any expected wait
CONTROL_C, CONTROL_D, CONTROL_Z, CONTROL_BACKSLASH, ERASE = (
    b"\x03",
    b"\x04",
    b"\x1a",
    b"\x1c",
    b"\x7f",
)


class Screen:
    """A script on its own terminal, driven like a person would."""

    def __init__(self, guest: Guest, *, stderr: int | None = None, **options: object) -> None:
        self.master, self.slave = os.openpty()
        self.resize(30, 100)
        self.before = self.attributes()
        self._seen = b""
        # A new session on this terminal, as a terminal emulator starts a shell.
        self.process = guest.engine.popen(
            *("setsid", "--ctty", sys.executable, "app.py", "terminal"),
            cwd=guest.directory,
            env={"TERM": "xterm-256color", **as_environment(options)},
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave if stderr is None else stderr,
        )

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def attributes(self) -> list[Any]:
        return termios.tcgetattr(self.slave)

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def await_text(self, wanted: str) -> str:
        """Read the screen up to a text; return the text before it."""
        while wanted.encode() not in self._seen:
            assert select.select([self.master], [], [], SECONDS)[0], self._seen
            self._seen += os.read(self.master, 4096)
        before, _, self._seen = self._seen.partition(wanted.encode())
        return before.decode()

    def await_end(self) -> int:
        """Wait for the end of the script; return its status."""
        status = self.process.wait(SECONDS)
        assert self.attributes() == self.before, "the terminal is as it was"
        return status

    def rest(self) -> str:
        """Return the rest of the screen after the last awaited text."""
        while select.select([self.master], [], [], 0)[0]:
            self._seen += os.read(self.master, 4096)
        return self._seen.decode()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.slave)
        os.close(self.master)


@contextlib.contextmanager
def screen(guest: Guest, **options: Any) -> Iterator[Screen]:
    with contextlib.closing(Screen(guest, **options)) as found:
        yield found


def test_the_guest_has_the_hosts_terminal_its_size_and_its_keys(guest: Guest) -> None:
    with screen(guest) as person:
        person.await_text("terminals [True, True, True] xterm-256color\r\n")
        person.await_text("size 30x100\r\n")
        person.await_text("ready\r\n")
        person.resize(41, 132)
        person.await_text("size 41x132\r\n")
        # One echo: only the guest's terminal edits the line.
        person.press(b"heplo" + ERASE * 3 + b"llo\r")
        assert person.await_text("heard 'hello\\n'\r\n").count("he") == 1
        person.press("grüße\r".encode())
        person.await_text("heard 'grüße\\n'\r\n")
        person.press(CONTROL_D)
        assert person.await_end() == 5
        assert person.rest() == ""


def test_control_c_cancels(guest: Guest) -> None:
    with screen(guest) as person:
        person.await_text("ready\r\n")
        person.press(CONTROL_C)
        person.await_text("interrupted\r\n")
        assert person.await_end() == 0


def test_control_c_is_passed_to_the_guest_if_the_option_says_so(guest: Guest) -> None:
    with screen(guest, interrupt="guest") as person:
        person.await_text("ready\r\n")
        person.press(CONTROL_C)
        person.await_text("interrupted\r\n")
        assert person.await_end() == 9


def test_control_z_stops_and_fg_continues(guest: Guest) -> None:
    with screen(guest) as person:
        person.await_text("ready\r\n")
        person.press(CONTROL_Z)
        _, status = os.waitpid(person.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert person.attributes() == person.before, "the shell gets its terminal back"
        person.resize(20, 60)
        person.process.send_signal(signal.SIGCONT)
        person.await_text("size 20x60\r\n")
        person.press(b"again\r")
        person.await_text("heard 'again\\n'\r\n")
        person.press(CONTROL_BACKSLASH)
        assert person.await_end() == 128 + signal.SIGQUIT


def test_with_one_redirected_stream_all_three_stay_separate(guest: Guest, tmp_path: Path) -> None:
    with (
        open(tmp_path / "errors", "w+b") as errors,
        screen(guest, stderr=errors.fileno()) as person,
    ):
        person.await_text("terminals [False, False, False] None\r\n")
        person.await_text("ready\r\n")
        person.press(b"hello\r")
        person.await_text("heard 'hello\\n'\r\n")
        person.press(CONTROL_D)
        assert person.await_end() == 5
        errors.seek(0)
        assert errors.read() == b"a word on standard error\n"
