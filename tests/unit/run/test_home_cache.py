"""`cache_home`: a volume of the project at the guest's home directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildr.testing import FakeBackend, run_script, using
from tests.unit.command import command_project

if TYPE_CHECKING:
    from pathlib import Path

TOOL = "../command/tool.py"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return command_project(tmp_path, monkeypatch, "print()\n")


def homes(backend: FakeBackend) -> list[str]:
    return [mount.source for mount in backend.runs[-1].spec.mounts]


def run(backend: FakeBackend, *words: str) -> None:
    with using(backend):
        done = run_script(TOOL, "run", *words, "app.py")
    assert done.status == 0, done.stderr.decode()


def test_runs_of_one_project_share_a_volume_until_it_is_pruned() -> None:
    backend = FakeBackend(installs=True)
    run(backend, "--cache-home")
    [name] = homes(backend)
    assert backend.runs[-1].spec.mounts[0].target == "/home/app"
    run(backend, "--cache-home", "--name", "other")
    assert homes(backend) == [name]
    run(backend)
    assert homes(backend) == []
    with using(backend):
        assert name not in run_script(TOOL, "prune").stdout.decode()
        pruned = run_script(TOOL, "prune", "--cache").stdout.decode()
    assert f"removed volume {name} (the cache of a home directory" in pruned
    assert backend.volumes({}) == []


def test_a_mount_of_the_users_own_comes_first(project: Path) -> None:
    (project / "mine").mkdir()
    backend = FakeBackend(installs=True)
    run(backend, "--cache-home", "-v", "./mine:/home/app")
    assert homes(backend) == [str(project / "mine")]
