"""Kept containers of failed runs: conditions, messages, and removal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from buildr import labels
from buildr.cli import app
from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec
from buildr.run import runs
from buildr.run.cleanup import end_run, sweep
from buildr.testing import FakeBackend, run_script, using
from tests.unit.cli.test_cli_runs import labels_of_a_dead_process
from tests.unit.command import command_project

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return command_project(tmp_path, monkeypatch, "print('this ran on the host')\n")


def left(backend: FakeBackend) -> int:
    return sum(not run.removed for run in backend.runs)


def ended(backend: FakeBackend, status: int, **more: str) -> str:
    """Return a container of a run that would be kept, whose guest has ended and whose host process has gone."""
    backend.guest = lambda _: status
    image = backend.add_image("localhost/test:latest")
    given = {**labels_of_a_dead_process(), labels.KEEP: "1", labels.NAME: "app", **more}
    container = backend.create(ownership.signed(ContainerSpec(image=image.id, labels=given)))
    backend.start(container)
    assert backend.wait(container) == status
    return container


def command(backend: FakeBackend, *words: str) -> Result:
    with using(backend):
        return CliRunner().invoke(app, words, prog_name="buildr")


# Which stay ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "count"), [(0, 0), (1, 1), (137, 1)])
def test_the_container_of_a_failed_run_is_kept(status: int, count: int) -> None:
    with using(FakeBackend(lambda _: status)) as backend:
        assert run_script("../command/tool.py", "run", "-q", "--keep", "app.py").status == status
    assert left(backend) == count


def test_without_the_option_no_container_is_kept() -> None:
    with using(FakeBackend(lambda _: 3)) as backend:
        assert run_script("../command/tool.py", "run", "-q", "app.py").status == 3
        assert not backend.runs[0].spec.labels[labels.KEEP]
    assert left(backend) == 0


def test_commands_to_inspect_a_kept_container_are_printed() -> None:
    with using(FakeBackend(lambda _: 3, name="podman")) as backend:
        said = run_script("../command/tool.py", "run", "--keep", "app.py").stderr.decode()
    container = backend.runs[0].id[:12]
    run = backend.runs[0].spec.labels[labels.RUN][:12]
    assert f"buildr: app ended with status 3, and its container {container} is kept:\n" in said
    for line in (
        f"buildr logs {run}",
        f"podman diff {container}",
        f"podman cp {container}:/app/FILE .",
        f"podman run --rm -it --entrypoint sh $(podman commit {container})",
        f"podman start --attach --interactive {container}",
        f"buildr stop {run}",
    ):
        assert f" {line}\n" in said


# Who removes them ---------------------------------------------------------------------------------


def test_neither_sweep_nor_watchdog_removes_kept_containers() -> None:
    backend = FakeBackend()
    ended(backend, 3, **{labels.RUN: "r"})
    assert sweep(backend) == 0
    end_run(backend, "r", 0)
    assert left(backend) == 1


def test_the_sweep_removes_successful_runs() -> None:
    backend = FakeBackend()
    ended(backend, 0)
    assert sweep(backend) == 1
    assert left(backend) == 0


def test_the_sweep_removes_runs_without_a_host_process() -> None:
    backend = FakeBackend(lambda container: container.signals.wait())
    image = backend.add_image("localhost/test:latest")
    given = {**labels_of_a_dead_process(), labels.KEEP: "1"}
    backend.start(backend.create(ownership.signed(ContainerSpec(image=image.id, labels=given))))
    assert sweep(backend) == 1
    assert left(backend) == 0


def test_ps_shows_kept_runs_and_prune_removes_them() -> None:
    backend = FakeBackend()
    container = ended(backend, 3)
    assert command(backend, "ps").stdout.splitlines()[1].split()[-1] == "kept"
    assert runs.find([backend])[0].kept
    said = command(backend, "prune").stdout
    assert f"removed container {container[:12]} (app; kept when it had failed)" in said
    assert said.count("removed") == 1
    assert left(backend) == 0


@pytest.mark.parametrize("labels", [{}, ownership.labels(1)], ids=["gone", "alive"])
def test_stop_removes_with_or_without_a_host_process(labels: dict[str, str]) -> None:
    backend = FakeBackend()
    ended(backend, 3, **labels)
    assert command(backend, "stop", "app").exit_code == 0
    assert left(backend) == 0
