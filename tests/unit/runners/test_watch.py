"""`buildr run --watch`: what counts as a change, and its effect on the guest."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import pytest

from buildr.cli import target
from buildr.config import Layer, settle
from buildr.host.signals import END, Signals
from buildr.runners import watch, watched
from tests.unit.processes import SECONDS, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TOOL = """\
import signal, sys
from buildr.cli import main
from buildr.errors import BuildError
from buildr.testing import FakeBackend, using

class Backend(FakeBackend):
    def build(self, request, on_event):
        if "broken" in open("requirements.txt").read():
            raise BuildError("step 2 failed")
        return super().build(request, on_event)

def guest(container):
    word, _, end = open("app.py").read()[2:].strip().partition(" ")
    say = lambda text: container.stdout.write(text.encode() + b"\\n")
    say(f"{word}, {len(backend.builds)} built")
    if end == "deaf":
        container.signals.ignore(signal.SIGTERM, signal.SIGINT)
        container.signals.wait()
    if end:
        return int(end)
    container.signals.catch(signal.SIGTERM, signal.SIGINT)
    say(f"{word} got {container.signals.wait()}")
    return 0

backend = Backend(guest)
with using(backend):
    main()
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "app.py").write_text("# one\n")
    (directory / "requirements.txt").write_text("# nothing\n")
    (tmp_path / "tool.py").write_text(TOOL)
    monkeypatch.chdir(directory)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return directory


class Watched:
    """A running watch; its output and that of its guests is read line by line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def expect(self, *texts: str) -> None:
        """Read lines up to one with each of these texts, in this order."""
        assert self.process.stdout is not None
        seen: list[str] = []
        for text in texts:
            while text not in (line := self.process.stdout.readline().decode()):
                seen.append(line)
                assert line, (text, seen, self.process.wait(SECONDS))

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(SECONDS)


def rewrite(path: Path, text: str) -> None:
    """Replace a file atomically, as editors do."""
    new = path.parent.parent / path.name
    new.write_text(text)
    new.replace(path)


@contextlib.contextmanager
def watching(project: Path, *words: str) -> Iterator[Watched]:
    environ = {"XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"]}
    command = ("../tool.py", "run", "--watch", *words, "app.py")
    with running(*command, cwd=project, env=environ, stderr=subprocess.STDOUT) as process:
        yield Watched(process)


# The run ------------------------------------------------------------------------------------------


def test_a_change_restarts_the_guest_with_sigterm_and_without_a_build(
    project: Path,
) -> None:
    with watching(project) as watched:
        watched.expect("one, 1 built")
        rewrite(project / "app.py", "# second\n")
        watched.expect("one got 15", "running again: app.py changed", "second, 1 built")


def test_a_guest_that_ignores_sigterm_is_killed_after_its_grace(project: Path) -> None:
    rewrite(project / "app.py", "# one deaf\n")
    with watching(project, "--grace-seconds", "0.1") as watched:
        watched.expect("one, 1 built")
        rewrite(project / "app.py", "# second\n")
        watched.expect("second, 1 built")


def test_after_a_guest_exits_the_next_change_runs_it_again(project: Path) -> None:
    rewrite(project / "app.py", "# one 3\n")
    with watching(project) as watched:
        watched.expect("one, 1 built", "app ended with status 3. It runs again when a file changes")
        rewrite(project / "app.py", "# second\n")
        watched.expect("second, 1 built")


def test_a_failed_build_is_reported_and_the_next_change_awaited(project: Path) -> None:
    with watching(project) as watched:
        watched.expect("one, 1 built")
        rewrite(project / "requirements.txt", "broken==1\n")
        watched.expect("one got 15", "error: step 2 failed", "runs again when a file changes")
        rewrite(project / "requirements.txt", "good==1\n")
        watched.expect("one, 2 built")


def test_options_that_become_invalid_are_reported_and_the_next_change_awaited(
    project: Path,
) -> None:
    with watching(project) as watched:
        watched.expect("one, 1 built")
        rewrite(project / "pyproject.toml", "[tool.buildr.runtime]\nmemory = 'much'\n")
        watched.expect("one got 15", "memory", "runs again when a file changes")
        rewrite(project / "pyproject.toml", "[tool.buildr.runtime]\nmemory = '1g'\n")
        watched.expect("one, ")


def test_an_error_at_the_start_ends_the_watch(project: Path) -> None:
    with watching(project, "--memory", "much") as watched:
        watched.expect("error: --memory")
        assert watched.process.wait(SECONDS) == 2


def test_an_interrupt_ends_the_guest_and_the_watch_with_0(project: Path) -> None:
    with watching(project) as watched:
        watched.expect("one, 1 built")
        assert watched.end(signal.SIGINT) == 0
        watched.expect("one got 2")


def test_an_interrupt_ends_a_waiting_watch_with_0(project: Path) -> None:
    rewrite(project / "app.py", "# one 3\n")
    with watching(project) as watched:
        watched.expect("ended with status 3")
        assert watched.end(signal.SIGINT) == 0


@pytest.mark.parametrize(("script", "status"), [("# one\n", 0), ("# one 3\n", 143)])
def test_sigterm_ends_the_watch_with_the_guests_status_or_its_own(
    project: Path, script: str, status: int
) -> None:
    (project / "app.py").write_text(script)
    with watching(project) as watched:
        watched.expect("one, 1 built" if status == 0 else "ended with status 3")
        assert watched.end(signal.SIGTERM) == status


def test_output_to_a_watched_file_is_refused(project: Path) -> None:
    with (project / "log").open("wb") as log:
        command = ("../tool.py", "run", "--watch", "app.py")
        environ = {"XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"]}
        with running(*command, cwd=project, env=environ, stdout=log) as process:
            assert process.wait(SECONDS) == 125
            assert process.stderr is not None
            said = process.stderr.read()
    assert b"standard output is written to log, which is watched" in said


# What counts --------------------------------------------------------------------------------------


def seen(*, env_file: str | None = None) -> watched.View:
    entry = target.find("app.py", None)
    runtime = {"env_file": (env_file,)} if env_file else {}
    settings = settle(entry, Layer(origin="the test", runtime=runtime))
    return watched.view(entry, settings.package, settings.runtime)


def differs(view: watched.View, change: Callable[[], object]) -> tuple[str, ...] | None:
    """Return what differs after a change; ``None``: nothing."""
    before = watched.look(view)
    change()
    after = watched.look(view)
    return None if after.is_as(before) else watched.changed(before, after, view.files)


def test_excluded_files_are_not_watched(project: Path) -> None:
    (project / ".containerignore").write_text("*.log\nfolder\n")
    (project / "folder").mkdir()
    view = seen()
    for path in ("app.log", "folder/new", ".git/HEAD", ".env"):
        place = project / path
        place.parent.mkdir(exist_ok=True)
        found = differs(view, partial(place.write_text, "x"))
        assert (path, found) == (path, None)


def test_version_control_and_bytecode_are_not_watched_by_default(project: Path) -> None:
    view = seen()
    for folder in (".git", "__pycache__", ".venv"):
        (project / folder).mkdir()
        found = differs(view, partial((project / folder / "new").write_text, "x"))
        assert (folder, found) == (folder, None)


def test_files_that_come_go_or_change_their_mode_are_named(project: Path) -> None:
    view = seen()
    assert differs(view, lambda: (project / "new.py").write_text("")) == ("new.py",)
    assert differs(view, lambda: (project / "new.py").chmod(0o755)) == ("new.py",)
    assert differs(view, (project / "new.py").unlink) == ("new.py",)


def test_an_ignore_file_is_watched_even_if_it_ignores_itself(project: Path) -> None:
    (project / ".dockerignore").write_text(".dockerignore\n")
    view = seen()
    change = partial((project / ".dockerignore").write_text, ".dockerignore\n*.log\n")
    assert differs(view, change) == (".dockerignore",)


def test_an_env_file_is_watched_even_if_it_does_not_travel(project: Path) -> None:
    (project / ".env").write_text("A=1\n")
    assert differs(seen(env_file=".env"), lambda: (project / ".env").write_text("A=22\n")) == (
        ".env",
    )


def test_pyproject_is_watched_even_if_it_is_ignored(project: Path) -> None:
    (project / ".containerignore").write_text("pyproject.toml\n")
    change = partial((project / "pyproject.toml").write_text, "[tool.buildr]\n")
    assert differs(seen(), change) == ("pyproject.toml",)


def test_referenced_requirements_files_are_watched(project: Path) -> None:
    (project / ".containerignore").write_text("needs\n")
    (project / "requirements.txt").write_text("-r needs/base.txt\n-c needs/constraints.txt\n")
    (project / "needs").mkdir()
    for name in ("base.txt", "constraints.txt"):
        (project / "needs" / name).write_text("six==1.16\n")
    view = seen()
    for name in ("base.txt", "constraints.txt"):
        change = partial((project / "needs" / name).write_text, "six==1.17\n")
        assert differs(view, change) == (name,)


def test_an_unreadable_state_counts_as_a_change(project: Path) -> None:
    view = seen()
    assert differs(view, lambda: (project / ".containerignore").write_text("[a-\n")) is not None
    assert differs(view, lambda: None) is None
    assert differs(view, (project / ".containerignore").unlink) is not None


# The watcher --------------------------------------------------------------------------------------


def test_a_change_reverted_while_settling_is_ignored(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = seen()
    old = watched.look(view)
    (project / "new").write_text("x")
    new = watched.look(view)
    watcher = watch.Watcher(Signals())
    states = iter([old, old])
    monkeypatch.setattr(watch, "look", lambda _view: next(states))
    watcher._settle(view, old, new)
    assert not watcher.has_changes


def test_several_changes_in_a_row_count_once(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, signals = seen(), Signals()
    found = []
    for name in ("a", "b", "c"):
        found.append(watched.look(view))
        (project / name).write_text("x")
    last = watched.look(view)
    watcher = watch.Watcher(signals)
    watcher.begin(view)
    states = iter([found[2], last, last])
    monkeypatch.setattr(watch, "look", lambda _view: next(states))
    watcher._settle(view, found[0], found[1])
    assert watcher.wait() == ("a", "b", "c")
    assert signals.received.get_nowait() == END
    assert signals.received.empty()


def test_a_change_after_the_guest_s_exit_stops_no_guest(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, signals = seen(), Signals()
    watcher = watch.Watcher(signals)
    watcher.begin(view)
    watcher.end()
    old = watched.look(view)
    (project / "a").write_text("x")
    new = watched.look(view)
    monkeypatch.setattr(watch, "look", lambda _view: new)
    watcher._settle(view, old, new)
    assert watcher.wait() == ("a",)
    assert signals.received.empty()
