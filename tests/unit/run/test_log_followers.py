"""A follower reads a run's output completely before the container is removed; waiting for it is limited."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from buildr import labels
from buildr.cli import app
from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec
from buildr.host import cache, private_folders
from buildr.host.signals import Signals
from buildr.run import log_followers
from buildr.run.cleanup import end_run
from buildr.run.log_followers import following, let_finish
from buildr.run.loop import run
from buildr.testing import FakeBackend, using

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "buildr" / "followed"


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    def pause(_seconds: float) -> None:
        raise AssertionError("somebody is waited for")

    monkeypatch.setattr("buildr.run.log_followers.time.sleep", pause)


@contextlib.contextmanager
def follower(run: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Follow a run, up to the moment when somebody waits for that; give what tells that it has ended."""
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()

    def follow() -> None:
        with following(run):
            begun.set()
            go.wait()
            ended.set()

    thread = threading.Thread(target=follow)

    def pause(_seconds: float) -> None:
        go.set()
        thread.join()

    monkeypatch.setattr("buildr.run.log_followers.time.sleep", pause)
    thread.start()
    begun.wait()
    try:
        yield ended
    finally:
        go.set()
        thread.join()


@pytest.mark.usefixtures("no_pause")
def test_without_followers_there_is_no_wait(place: Path) -> None:
    let_finish("r")
    with following("another"):
        let_finish("r")
    with following("r"):
        pass
    let_finish("r")
    assert os.listdir(place) == []


def test_followers_are_awaited(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with following("r"), follower("r", monkeypatch) as ended:
        monkeypatch.setattr(log_followers, "_FINISH_SECONDS", 0)
        let_finish("r")  # for two it is too long
        assert not ended.is_set()
    assert os.listdir(place) == []
    monkeypatch.undo()
    with follower("r", monkeypatch) as ended:
        let_finish("r")
        assert ended.is_set()


@pytest.mark.usefixtures("no_pause")
def test_killed_followers_are_not_awaited(place: Path) -> None:
    code = (
        "import os, signal\n"
        "from buildr.run.log_followers import following\n"
        "with following('r'):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(os.listdir(place)) == 1
    let_finish("r")
    assert os.listdir(place) == []


@pytest.mark.usefixtures("no_pause")
def test_without_a_state_folder_a_run_can_still_be_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(variable, "/proc")
    monkeypatch.setattr(private_folders, "TEMPORARY", "/proc")
    with following("r"):
        let_finish("r")
    assert not os.path.exists(cache.directory())


def end_by_stop(backend: FakeBackend, spec: ContainerSpec) -> None:
    backend.start(container := backend.create(spec))
    with using(backend):
        result = CliRunner().invoke(app, ("stop", container), prog_name="buildr")
    assert result.exit_code == 0


def end_by_watchdog(backend: FakeBackend, spec: ContainerSpec) -> None:
    backend.start(backend.create(spec))
    end_run(backend, "r", 3600)


def end_by_itself(backend: FakeBackend, spec: ContainerSpec) -> None:
    with Signals() as signals:
        assert run(backend, spec, signals) == 0


@pytest.mark.parametrize("end", [end_by_stop, end_by_watchdog, end_by_itself])
def test_no_container_is_removed_before_its_output_is_read(
    monkeypatch: pytest.MonkeyPatch, end: Callable[[FakeBackend, ContainerSpec], None]
) -> None:
    class Backend(FakeBackend):
        read = False

        def remove(self, container: str, *, volumes: bool = False) -> None:
            self.read = ended.is_set()
            super().remove(container, volumes=volumes)

    backend = Backend(lambda _: 0)
    given = {**ownership.labels(3600), labels.RUN: "r", labels.DETACH: "1"}
    spec = ContainerSpec(image=backend.add_image("image").id, labels=given, stdin=False)
    with follower("r", monkeypatch) as ended:
        end(backend, ownership.signed(spec))
    assert backend.runs[0].removed
    assert backend.read
