"""What Buildr says: plain lines on standard error, whatever has become of it."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

import pytest

from buildr.host import console
from tests.unit.processes import OnTerminal, python

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("tell", "line"),
    [
        (console.say, "buildr: text\n"),
        (console.warn, "buildr: warning: text\n"),
        (console.error, "buildr: error: text\n"),
    ],
)
def test_a_line_has_a_prefix_and_goes_to_standard_error(
    tell: Callable[[str], None], line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    tell("text")
    assert capfd.readouterr() == ("", line)


def test_earlier_output_of_the_script_comes_first(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with open(2, "w", closefd=False) as buffered:
        monkeypatch.setattr(sys, "stderr", buffered)
        buffered.write("before\n")
        console.say("after")
    assert capfd.readouterr().err == "before\nbuildr: after\n"


@pytest.mark.parametrize("stderr", [None, io.StringIO(), object()])
def test_a_replaced_stderr_of_the_script_changes_nothing(
    stderr: object, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    console.say("text")
    assert capfd.readouterr().err == "buildr: text\n"


def test_a_closed_stderr_of_the_script_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    console.say("text")
    assert capfd.readouterr().err == "buildr: text\n"


def test_text_that_is_not_valid_unicode_is_still_shown(
    capfd: pytest.CaptureFixture[str],
) -> None:
    console.say("caf\udce9")
    assert capfd.readouterr().err == "buildr: caf\\udce9\n"


def test_without_standard_error_messages_are_dropped(tmp_path: Path) -> None:
    code = "import os; os.close(2); from buildr.host import console; console.say('x'); print(console.is_terminal())"
    done = python("-c", code, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, b"False\n")


@pytest.mark.parametrize(("term", "answer"), [("xterm", b"True"), ("dumb", b"False")])
def test_a_dumb_terminal_does_not_count(tmp_path: Path, term: str, answer: bytes) -> None:
    code = f"import os; os.environ['TERM'] = {term!r}; from buildr.host import console; print(console.is_terminal())"
    with OnTerminal("-c", code, cwd=tmp_path) as terminal:
        terminal.wait_for(answer)
        assert terminal.end() == 0


def test_a_pipe_is_not_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    assert not console.is_terminal()
    assert capfd.readouterr() == ("", "")
    assert not os.isatty(2)


SAY = "import os; {environ}; from buildr.host import console; console.{kind}('text')"


@pytest.mark.parametrize(
    ("environ", "kind", "written"),
    [
        ("0", "error", b"buildr: \x1b[1;31merror:\x1b[0m text\r\n"),
        ("0", "warn", b"buildr: \x1b[1;33mwarning:\x1b[0m text\r\n"),
        ("0", "say", b"buildr: text\r\n"),
        ("os.environ['NO_COLOR'] = ''", "error", b"buildr: \x1b[1;31merror:\x1b[0m text\r\n"),
        ("os.environ['NO_COLOR'] = '1'", "error", b"buildr: error: text\r\n"),
        ("os.environ['TERM'] = 'dumb'", "error", b"buildr: error: text\r\n"),
    ],
)
def test_colours_depend_on_the_terminal_and_the_user(
    tmp_path: Path, environ: str, kind: str, written: bytes
) -> None:
    with OnTerminal("-c", SAY.format(environ=environ, kind=kind), cwd=tmp_path) as terminal:
        terminal.wait_for(b"text\r\n")
        assert terminal.all == written
        assert terminal.end() == 0


RAW = """\
import os, tty
tty.setraw(2)
from buildr.host import console
console.error("text\\nwhat to do")
console.say("more")
"""


def test_on_a_terminal_in_raw_mode_each_line_begins_at_the_left(tmp_path: Path) -> None:
    with OnTerminal("-c", RAW, cwd=tmp_path) as terminal:
        terminal.wait_for(b"more\r\n")
        assert terminal.all.count(b"\n") == terminal.all.count(b"\r\n") == 3
        assert terminal.end() == 0


HOSTILE = "\x1b]0;pwned\x07\x1b[2J\r\x9b31m\u202egnp.exe\u2028\x00\x7f"


@pytest.mark.parametrize("tell", [console.say, console.warn, console.error])
def test_text_of_others_cannot_control_the_terminal(
    tell: Callable[[str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    tell(f"a file named {HOSTILE}, and\n\ta second line with ü, 漢 and 👩‍💻")
    said = capfd.readouterr().err
    assert (
        "a file named \\x1b]0;pwned\\x07\\x1b[2J\\r\\x9b31m\\u202egnp.exe\\u2028\\x00\\x7f, and"
        in said
    )
    assert said.endswith("\n\ta second line with ü, 漢 and 👩‍💻\n")


def test_text_of_an_unhandled_error_cannot_control_the_terminal(tmp_path: Path) -> None:
    code = (
        "from buildr.errors import EngineError\n"
        f"raise EngineError('refused: ' + {HOSTILE!r}, message={HOSTILE!r}, hint='a\\nb')"
    )
    done = python("-c", code, cwd=tmp_path)
    said = done.stderr.decode()
    assert "refused: \\x1b]0;pwned\\x07" in said
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert said.endswith("\na\nb\n")
