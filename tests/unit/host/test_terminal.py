"""The host's terminal while a guest uses it."""

from __future__ import annotations

import os
import signal
import termios
from typing import TYPE_CHECKING, Any

import pytest

from buildr.host import terminal
from tests.unit.processes import OnTerminal, app, python

if TYPE_CHECKING:
    from pathlib import Path

LOCAL = 3  # the field of local modes in what tcgetattr() gives
QUIET = 'package={"quiet": True}'
ECHO = """\
container.signals.catch(signal.SIGINT, signal.SIGTERM)
container.stdout.write(b"ready")
for key in iter(lambda: container.stdin.read(1), b"q"):
    container.stdout.write(b"<%02x>" % key[0])
return 3
"""
WAIT = """\
container.signals.catch(signal.SIGINT, signal.SIGWINCH)
container.stdout.write(b"ready")
for number in iter(container.signals.wait, signal.SIGINT):
    container.stdout.write(b"%dx%d." % container.terminal_size)
return 130
"""


def write(directory: Path, guest: str, runtime: str = "{}", **parts: str) -> Path:
    path = directory / "app.py"
    path.write_text(app(guest, options=f"{QUIET}, runtime={runtime}", **parts))
    return path


def is_raw(modes: list[Any]) -> bool:
    return not modes[LOCAL] & (termios.ICANON | termios.ECHO)


# Whether there is one ---------------------------------------------------------------------------------


def test_without_a_terminal_the_guest_gets_none(tmp_path: Path) -> None:
    write(tmp_path, "return int(container.spec.tty)")
    assert python("app.py", cwd=tmp_path).returncode == 0


def test_on_a_terminal_the_guest_gets_one_and_its_name(tmp_path: Path) -> None:
    guest = 'return 10 + container.spec.tty + (container.environment["TERM"] == "xterm")'
    write(tmp_path, guest)
    with OnTerminal("app.py", cwd=tmp_path) as script:
        assert script.end() == 12


@pytest.mark.parametrize("stream", ["0</dev/null", "1>/dev/null", "2>/dev/null"])
def test_a_redirected_stream_disables_the_terminal_of_the_guest(
    tmp_path: Path, stream: str
) -> None:
    write(tmp_path, "return 10 + container.spec.tty")
    command = f"import os, sys; os.execvp('sh', ['sh', '-c', 'exec {{}} app.py {stream}'.format(sys.executable)])"
    with OnTerminal("-c", command, cwd=tmp_path) as script:
        assert script.end() == 10


def test_a_closed_stream_is_not_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_fd: int) -> bool:
        raise OSError

    monkeypatch.setattr(os, "isatty", closed)
    assert not terminal.guest_gets_terminal()


def test_a_stream_that_is_not_a_terminal_has_no_size() -> None:
    read, write_end = os.pipe()
    saved = os.dup(1)
    os.dup2(write_end, 1)
    try:
        assert terminal.size() is None
    finally:
        os.dup2(saved, 1)
        for fd in (read, write_end, saved):
            os.close(fd)


# Keys -------------------------------------------------------------------------------------------------


def test_keys_reach_the_guest_immediately_and_unchanged(tmp_path: Path) -> None:
    write(tmp_path, ECHO)
    with OnTerminal("app.py", cwd=tmp_path) as script:
        script.wait_for(b"ready")
        script.type(b"a\r\x04\x13\xc3\xa9")
        script.wait_for(b"<61><0d><04><13><c3><a9>")
        script.type(b"q")
        assert script.end() == 3


def test_output_is_passed_through_unchanged(tmp_path: Path) -> None:
    write(tmp_path, 'container.stdout.write(b"one\\ntwo\\r\\nthree")\nreturn 0')
    with OnTerminal("app.py", cwd=tmp_path) as script:
        script.wait_for(b"one\ntwo\r\nthree")
        assert script.end() == 0


def test_the_terminal_is_restored_at_the_end(tmp_path: Path) -> None:
    write(tmp_path, ECHO)
    with OnTerminal("app.py", cwd=tmp_path) as script:
        before = script.modes()
        script.wait_for(b"ready")
        assert is_raw(script.modes())
        script.type(b"q")
        script.end()
        assert script.modes() == before


@pytest.mark.parametrize(
    "faults",
    [
        'backend.fail("start", ContainerError("no"))',
        'backend.fail("resize", EngineLostError("gone"))\nbackend.fail("state", EngineLostError("gone"))',
    ],
)
def test_the_terminal_is_restored_after_an_error(tmp_path: Path, faults: str) -> None:
    write(tmp_path, "container.signals.wait()", faults=faults)
    with OnTerminal("app.py", cwd=tmp_path) as script:
        before = script.modes()
        assert script.end() == 125
        assert script.modes() == before


STUBBORN = """\
container.signals.catch(signal.SIGINT)
container.stdout.write(b"ready")
while True:
    container.signals.wait()
    container.stdout.write(b"heard")
"""
# An engine that does not kill reports each request to do so.
DEAF = """\
class Deaf(FakeBackend):
    def kill(self, container, number):
        self.runs[0].stdout.write(b"heard")
backend = Deaf(guest)
"""


@pytest.mark.parametrize(
    ("number", "faults", "times", "status"),
    [
        (signal.SIGTERM, "", 1, 128 + signal.SIGTERM),
        (signal.SIGHUP, "", 1, 128 + signal.SIGHUP),
        (signal.SIGINT, "", 2, 128 + signal.SIGKILL),
        (signal.SIGINT, DEAF, 3, 128 + signal.SIGINT),
    ],
    ids=["SIGTERM", "SIGHUP", "two interrupts", "three interrupts"],
)
def test_the_terminal_is_restored_after_any_signal(
    tmp_path: Path, number: int, faults: str, times: int, status: int
) -> None:
    write(tmp_path, STUBBORN, faults=faults)
    with OnTerminal("app.py", cwd=tmp_path) as script:
        before = script.modes()
        script.wait_for(b"ready")
        assert is_raw(script.modes())
        script.process.send_signal(number)
        for _ in range(times - 1):
            script.wait_for(b"heard")
            script.process.send_signal(number)
        assert script.end() == status
        assert script.modes() == before


# Interrupts -------------------------------------------------------------------------------------------


def test_the_interrupt_key_belongs_to_the_host(tmp_path: Path) -> None:
    write(tmp_path, WAIT)
    with OnTerminal("app.py", cwd=tmp_path) as script:
        before = script.modes()
        script.wait_for(b"ready")
        script.type(b"\x03")
        assert script.end() == 0
        assert script.modes() == before


def test_an_option_passes_the_interrupt_key_to_the_guest(tmp_path: Path) -> None:
    write(tmp_path, ECHO, '{"interrupt": "guest"}')
    with OnTerminal("app.py", cwd=tmp_path) as script:
        script.wait_for(b"ready")
        script.type(b"\x03\x1a\x1c")
        script.wait_for(b"<03><1a><1c>")
        script.type(b"q")
        assert script.end() == 3


def test_the_suspend_key_stops_the_host_with_its_terminal_restored(tmp_path: Path) -> None:
    write(tmp_path, ECHO)
    with OnTerminal("app.py", cwd=tmp_path) as script:
        before = script.modes()
        script.wait_for(b"ready")
        script.type(b"\x1a")
        _, status = os.waitpid(script.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert script.modes() == before

        script.process.send_signal(signal.SIGCONT)
        script.type(b"a")
        script.wait_for(b"<61>")
        assert is_raw(script.modes())
        script.type(b"q")
        assert script.end() == 3


# Size -------------------------------------------------------------------------------------------------


def test_the_guest_s_terminal_starts_with_the_host_s_size(tmp_path: Path) -> None:
    guest = """\
container.signals.catch(signal.SIGWINCH)
if container.terminal_size is None:
    container.signals.wait()
container.stdout.write(b"%dx%d." % container.terminal_size)
return 0
"""
    write(tmp_path, guest)
    with OnTerminal("app.py", cwd=tmp_path, rows=33, columns=111) as script:
        script.wait_for(b"33x111.")
        assert script.end() == 0


def test_a_change_of_size_reaches_the_guest(tmp_path: Path) -> None:
    write(tmp_path, WAIT)
    with OnTerminal("app.py", cwd=tmp_path) as script:
        script.wait_for(b"ready")
        script.resize(50, 132)
        script.wait_for(b"50x132.")
        script.type(b"\x03")
        assert script.end() == 0
