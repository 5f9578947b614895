"""Standard input on its way to the guest."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.unit.processes import SECONDS, OnTerminal, app, end, environment, line, python, running

if TYPE_CHECKING:
    from pathlib import Path

COPY = "container.stdout.write(container.stdin.read())"
DATA = bytes(range(256)) * 2000  # more than a pipe holds


def test_a_pipe_reaches_the_guest_byte_by_byte_up_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(app(COPY))
    assert python("app.py", cwd=tmp_path, stdin=DATA).stdout == DATA


def test_a_file_reaches_the_guest(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(app(COPY))
    (tmp_path / "data").write_bytes(DATA)
    with (
        open(tmp_path / "data", "rb") as file,
        running("app.py", cwd=tmp_path, stdin=file) as process,
    ):
        assert end(process).stdout == DATA


def test_input_reaches_the_guest_immediately(tmp_path: Path) -> None:
    guest = 'for text in container.stdin:\n    container.stdout.write(b"got " + text)\nreturn 4'
    (tmp_path / "app.py").write_text(app(guest))
    with running("app.py", cwd=tmp_path) as process:
        assert process.stdin is not None
        for text in (b"one\n", b"two\n"):
            process.stdin.write(text)
            process.stdin.flush()
            assert line(process) == b"got " + text
        assert end(process).returncode == 4


def test_a_guest_that_does_not_read_ends_while_the_input_is_open(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(app("return 5"))
    with running("app.py", cwd=tmp_path) as process:
        assert process.wait(SECONDS) == 5


def test_a_guest_that_ends_in_the_middle_of_its_input_is_not_an_error(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(app("return len(container.stdin.read(6)) + 1"))
    done = python("app.py", cwd=tmp_path, stdin=DATA)
    assert done.returncode == 7
    assert b"error" not in done.stderr


def test_an_empty_input_ends_immediately(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(app("return len(container.stdin.read())"))
    with running("app.py", cwd=tmp_path, stdin=subprocess.DEVNULL) as process:
        assert process.wait(SECONDS) == 0


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_an_empty_one(tmp_path: Path, closed: str) -> None:
    guest = """\
container.stdout.write(b"out")
container.stderr.write(b"err")
return 3 + len(container.stdin.read())
"""
    faults = """\
class Connecting(FakeBackend):
    def create(self, spec):
        connection = os.open(os.devnull, os.O_RDONLY)
        assert connection > 2, "the engine's connection is a standard stream"
        return super().create(spec)

backend = Connecting(guest)
"""
    (tmp_path / "app.py").write_text(app(guest, setup="import os", faults=faults))
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" app.py {closed}', sys.executable],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stdout == (b"" if " >&-" in f" {closed}" else b"out")


BACKGROUND = """\
import os, signal, subprocess, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
script = subprocess.Popen([sys.executable, "app.py"], process_group=0, stdout=subprocess.PIPE)
assert script.stdout.readline() == b"ready\\n"
print("in the background", flush=True)
if sys.argv[1] == "fg":
    os.tcsetpgrp(0, script.pid)
print(script.stdout.read(), script.wait())
"""


def test_in_the_background_of_a_terminal_nothing_is_read_and_nothing_is_stopped(
    tmp_path: Path,
) -> None:
    (tmp_path / "app.py").write_text(app('container.stdout.write(b"ready\\n")\nreturn 6'))
    with OnTerminal("-c", BACKGROUND, "bg", cwd=tmp_path) as driver:
        driver.type(b"not for the script\n")
        driver.wait_for(b"in the background")
        driver.wait_for(b"b'' 6")


def test_back_in_the_foreground_the_terminal_is_read(tmp_path: Path) -> None:
    guest = (
        'container.stdout.write(b"ready\\n")\ncontainer.stdout.write(container.stdin.readline())'
    )
    (tmp_path / "app.py").write_text(app(guest))
    with OnTerminal("-c", BACKGROUND, "fg", cwd=tmp_path) as driver:
        driver.type(b"typed\n")
        driver.wait_for(b"in the background")
        driver.wait_for(b"b'typed\\n' 0")


def test_unread_input_is_left_for_the_next_reader(tmp_path: Path) -> None:
    """The pump takes what is there when it looks; what comes after the guest's end stays."""
    (tmp_path / "app.py").write_text(app("return 0"))
    read, write = os.pipe()
    with running("app.py", cwd=tmp_path, stdin=read) as process:
        assert process.wait(SECONDS) == 0
    os.write(write, b"for the next")
    os.close(write)
    with open(read, "rb") as file:
        assert file.read() == b"for the next"


@pytest.mark.parametrize(
    ("path", "expected"), [("/dev/null", True), ("/dev/zero", False), (__file__, False)]
)
def test_only_the_null_device_counts_as_no_input(path: str, expected: bool) -> None:
    import subprocess
    import sys

    program = "from buildr.run.stdin import is_null; print(is_null())"
    with open(path, "rb") as file:
        done = subprocess.run(
            [sys.executable, "-c", program], stdin=file, capture_output=True, check=True
        )
    assert done.stdout.decode().strip() == str(expected)
