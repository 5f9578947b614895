"""Progress of builds and transfers: moving on a terminal and gone when done, silent elsewhere."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Literal

import pytest

from buildr.engines.progress import Progress
from buildr.engines.records import Event
from tests.unit.processes import OnTerminal

if TYPE_CHECKING:
    from pathlib import Path

    from buildr.engines.progress import Verbosity

EVENTS = (
    Event(kind="upload", current=1_500_000),
    Event(kind="step", text="RUN make", current=2, total=7),
    Event(kind="log", text="cc main.c"),
    Event(kind="transfer", text="layer 1", current=1_000_000, total=4_000_000),
    Event(kind="transfer", text="layer 2"),
)


def show(verbosity: Verbosity) -> None:
    with Progress("building hello", verbosity) as shown:
        for event in EVENTS:
            shown(event)


@pytest.mark.parametrize("verbosity", ["quiet", "normal"])
def test_without_a_terminal_nothing_is_shown(
    verbosity: Literal["quiet", "normal"], capfd: pytest.CaptureFixture[str]
) -> None:
    show(verbosity)
    assert capfd.readouterr() == ("", "")


def test_verbose_shows_every_line_of_a_build_on_standard_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    show("verbose")
    assert capfd.readouterr() == (
        "",
        (
            "buildr: step 2/7 RUN make\n"
            "buildr:   cc main.c\n"
            "buildr: layer 1 1.0/4.0 MB\n"
            "buildr: layer 2\n"
        ),
    )


MOVING = """\
from buildr.engines import progress
from buildr.engines.records import Event
from buildr.engines.progress import Progress
progress._QUICK_SECONDS = {quick}
with Progress("building hello", "{verbosity}") as shown:
    shown(Event(kind="upload", current=1_500_000))
    shown(Event(kind="step", text="RUN make", current=2, total=7))
    shown(Event(kind="log", text="cc\\tmain.c " + "x" * 500))
    input("shown?")
print("done")
"""


def test_on_a_terminal_one_line_is_updated_and_finally_erased(tmp_path: Path) -> None:
    code = MOVING.format(quick=-1, verbosity="normal")
    with OnTerminal("-c", code, cwd=tmp_path, columns=60) as terminal:
        terminal.wait_for(b"building hello")
        terminal.wait_for(b"step 2/7 RUN make | cc main.c")
        terminal.wait_for("…".encode())
        terminal.type(b"\n")
        terminal.wait_for(b"\x1b[2K")  # the line is erased
        terminal.wait_for(b"done")
        assert terminal.end() == 0
        assert b"\nx" not in terminal.all


@pytest.mark.parametrize(("quick", "verbosity"), [(3600, "normal"), (-1, "quiet")])
def test_quick_or_quiet_steps_are_not_shown(tmp_path: Path, quick: int, verbosity: str) -> None:
    with OnTerminal(
        "-c", MOVING.format(quick=quick, verbosity=verbosity), cwd=tmp_path
    ) as terminal:
        terminal.wait_for(b"shown?")
        terminal.type(b"\n")
        terminal.wait_for(b"done")
        assert b"building" not in terminal.all


def test_a_line_of_a_build_cannot_control_the_terminal(tmp_path: Path) -> None:
    code = MOVING.format(quick=-1, verbosity="normal").replace(
        "RUN make", "[red]\\x1b]0;title\\x07\\x1b[1;31m\\x08\\x9b5A"
    )
    with OnTerminal("-c", code, cwd=tmp_path) as terminal:
        terminal.wait_for(b"step 2/7 [red]")
        terminal.type(b"\n")
        terminal.wait_for(b"done")
        for sequence in ("\x1b]0;", "\x1b[1;31m", "\x08", "\x9b"):
            assert sequence.encode() not in terminal.all


def test_the_display_is_imported_only_when_it_is_shown() -> None:
    code = """\
import sys
from buildr.engines.records import Event
from buildr.engines.progress import Progress
with Progress("building") as shown:
    shown(Event(kind="step", text="x"))
print("rich" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_messages_during_progress_have_separate_lines(tmp_path: Path) -> None:
    code = """\
from buildr.host import console
from buildr.engines.records import Event
from buildr.engines import progress
progress._QUICK_SECONDS = -1
with progress.Progress("building hello") as shown:
    say = shown.beside(console.say)
    shown(Event(kind="step", text="one"))
    say("a note")
    shown(Event(kind="step", text="two"))
    input("shown?")
print("done")
"""
    with OnTerminal("-c", code, cwd=tmp_path) as terminal:
        terminal.wait_for(b"two")
        terminal.type(b"\n")
        terminal.wait_for(b"done")
        assert terminal.end() == 0
        before, note, after = terminal.all.partition(b"buildr: a note\r\n")
        assert note
        assert b"one" in before
        assert before.endswith(b"\x1b[2K")  # the moving line is gone
        assert b"building hello" in after


def test_a_failed_build_erases_the_progress_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[bool] = []

    class Status:
        def stop(self) -> None:
            stopped.append(True)

    shown = Progress("building")
    monkeypatch.setattr(shown, "_status", Status())
    with pytest.raises(ValueError, match="broken"), shown:
        raise ValueError("broken")
    assert stopped == [True]


SILENT = """\
import threading
from buildr.engines import progress
from buildr.engines.progress import Progress
progress._QUICK_SECONDS = 0.01
shown = threading.Event()
show = Progress._show
def showing(self, text):
    show(self, text)
    shown.set()
Progress._show = showing
with Progress("reading many files"):
    assert shown.wait(60)
    input("shown?")
print("done")
"""


def test_silent_steps_are_shown_too(tmp_path: Path) -> None:
    with OnTerminal("-c", SILENT, cwd=tmp_path) as terminal:
        terminal.wait_for(b"reading many files")
        terminal.type(b"\n")
        terminal.wait_for(b"done")
        assert terminal.end() == 0
