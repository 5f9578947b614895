"""Progress of builds and transfers: a transient line on a terminal, nothing elsewhere."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Literal

import pytest

from buildr.engines.build_words import BuildWords
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
        terminal.wait_for("step 2/7 RUN make · cc main.c".encode())
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
        assert before.endswith(b"\x1b[2K")  # the progress line is erased
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
def showing(self):
    show(self)
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


LONG = """\
from buildr.engines.records import Event
from buildr.engines import progress
from buildr.engines.progress import Progress
progress._SLOW_SECONDS = {slow}
with Progress("app", "{verbosity}") as shown:
    shown.closing = "built app"
    for number, text in enumerate(("FROM base", "RUN apk add --no-cache git", "ENV A=1", "RUN python -m pip install -r x"), 1):
        shown(Event(kind="step", text=text, current=number, total=4))
    shown(Event(kind="log", text="Collecting a"))
    if {fails}:
        raise SystemExit
"""


@pytest.mark.parametrize(
    ("slow", "verbosity", "fails", "said"),
    [
        (
            -1,
            "normal",
            False,
            ["app: installing system packages", "app: installing packages", "built app in 0 s"],
        ),
        (-1, "normal", True, ["app: installing system packages", "app: installing packages"]),
        (3600, "normal", False, []),
        (-1, "quiet", False, []),
    ],
)
def test_in_a_pipe_a_long_build_has_one_line_per_step(
    slow: int, verbosity: str, fails: bool, said: list[str]
) -> None:
    code = LONG.format(slow=slow, verbosity=verbosity, fails=fails)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines() == [f"buildr: {line}" for line in said]


def test_the_line_has_the_width_of_the_terminal_and_ends_with_the_time(tmp_path: Path) -> None:
    code = MOVING.format(quick=-1, verbosity="normal")
    with OnTerminal("-c", code, cwd=tmp_path, columns=130) as terminal:
        terminal.wait_for("… · 0:0".encode())
        terminal.type(b"\n")
        terminal.wait_for(b"done")
    longest = max(terminal.all.decode(errors="ignore").replace("\r", "\n").split("\n"), key=len)
    assert len(longest) > 120


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (["Collecting requests>=2"], "installing 1 package"),
        (
            ["Collecting a", "  Downloading scikit_learn-1.5.0-cp312-linux.whl (9.1 MB)"],
            "installing 1 package · downloading scikit-learn (9.1 MB)",
        ),
        (
            ["Collecting a", "  Downloading a-1.0-py3-none-any.whl.metadata (5 kB)"],
            "installing 1 package",
        ),
        (["Installing collected packages: a, b, c"], "installing 3 packages"),
        (
            ["  Building wheel for numpy (pyproject.toml): started"],
            "installing packages · building numpy",
        ),
        (["WARNING: something else"], "installing packages"),
    ],
)
def test_an_installation_is_described_in_words(lines: list[str], shown: str) -> None:
    words = BuildWords()
    words.take(Event(kind="step", text="RUN python -m pip install -r x", current=1, total=2))
    for line in lines:
        words.take(Event(kind="log", text=line))
    assert " · ".join(filter(None, (words.step, words.detail))) == shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("(2/3) Installing libffi (3.4.4-r3)", "installing libffi"),
        (
            "Get:1 http://deb.debian.org/debian bookworm/main amd64 git amd64 1:2.39.5 [7,260 kB]",
            "downloading git (7,260 kB)",
        ),
        ("Setting up git (1:2.39.5) ...", "installing git"),
    ],
)
def test_system_packages_are_described_in_words(line: str, shown: str) -> None:
    words = BuildWords()
    words.take(
        Event(kind="step", text="RUN apt-get update && apt-get install git", current=1, total=2)
    )
    words.take(Event(kind="log", text=line))
    assert (words.step, words.detail) == ("installing system packages", shown)
