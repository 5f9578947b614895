"""What ``auto`` does when the engine that it has chosen cannot run containers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from buildr.errors import (
    BackendError,
    BuildError,
    CommandNotFoundError,
    EngineNotFoundError,
    StartError,
)
from buildr.plan.entry import Entry
from buildr.testing import FakeBackend, using
from tests.unit.running import run_entry

if TYPE_CHECKING:
    from pathlib import Path

NO_RUNTIME = "OCI runtime error: crun: the requested cgroup controller is not available"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "app.py").write_text("")
    monkeypatch.chdir(directory)
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("BUILDR_BACKEND", "BUILDR_BASE_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    return directory


@pytest.fixture
def podman() -> FakeBackend:
    return FakeBackend(lambda _container: 3, name="podman")


@pytest.fixture
def docker() -> FakeBackend:
    return FakeBackend(lambda _container: 4, name="docker")


def run(*backends: FakeBackend, flag: str | None = None) -> int:
    entry = Entry(kind="script", script=os.path.abspath("app.py"), arguments=())
    with using({backend.info.backend: backend for backend in backends}):
        return run_entry(entry, None, None, backend=flag)


@pytest.mark.parametrize(
    "error", [BuildError(NO_RUNTIME), StartError(NO_RUNTIME)], ids=["build", "start"]
)
def test_an_engine_that_starts_no_container_is_replaced_by_the_next(
    podman: FakeBackend,
    docker: FakeBackend,
    capfd: pytest.CaptureFixture[str],
    error: BackendError,
) -> None:
    podman.fail("build" if isinstance(error, BuildError) else "start", error, times=None)
    podman.fail("start", StartError(NO_RUNTIME), times=None)
    assert run(podman, docker) == 4
    assert not [one for one in podman.runs if not one.removed]
    said = capfd.readouterr().err
    assert f"using docker, since podman cannot run containers here: {NO_RUNTIME}" in said
    assert "BUILDR_BACKEND=docker" in said


def test_a_start_that_fails_because_of_the_options_is_an_error(
    podman: FakeBackend, docker: FakeBackend
) -> None:
    podman.fail("start", StartError("no such device"))
    with pytest.raises(StartError, match="no such device"):
        run(podman, docker)
    assert docker.operations == []


def test_a_build_that_fails_on_a_working_engine_is_an_error(
    podman: FakeBackend, docker: FakeBackend
) -> None:
    podman.fail("build", BuildError("no such package"), times=None)
    with pytest.raises(BuildError, match="no such package"):
        run(podman, docker)
    assert docker.operations == []


def test_a_command_that_is_not_there_is_an_error(podman: FakeBackend, docker: FakeBackend) -> None:
    podman.fail("start", CommandNotFoundError("python: not found"), times=None)
    with pytest.raises(CommandNotFoundError):
        run(podman, docker)
    assert docker.operations == []


def test_an_engine_that_was_named_is_never_replaced(
    podman: FakeBackend, docker: FakeBackend
) -> None:
    podman.fail("start", StartError(NO_RUNTIME), times=None)
    with pytest.raises(StartError, match="crun"):
        run(podman, docker, flag="podman")
    assert docker.operations == []


def test_without_another_engine_the_first_error_stands(podman: FakeBackend) -> None:
    podman.fail("start", StartError(NO_RUNTIME), times=None)
    with pytest.raises(StartError, match="crun"):
        run(podman)


def test_an_engine_that_is_lost_while_it_is_tried_is_not_replaced(
    podman: FakeBackend, docker: FakeBackend
) -> None:
    podman.fail("start", StartError(NO_RUNTIME))
    podman.fail("start", EngineNotFoundError("gone"), times=None)
    with pytest.raises(StartError, match="crun"):
        run(podman, docker)
    assert docker.operations == []
