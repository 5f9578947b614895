"""Options affect what their declarations say: the image, a systemd unit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from buildr.config import Settings
from buildr.options import OPTIONS, package_options, runtime_options
from buildr.options.declaration import QUADLET
from buildr.runners.plan import plan_image
from buildr.runners.quadlet import render
from buildr.testing import FakeBackend, run_script, using
from tests.unit.command import command_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from buildr.testing import FakeContainer

SCRIPT = """\
from buildr import Containerize

@Containerize
def main():
    pass

main()
"""
PROJECT = """\
[project]
name = "x"
version = "1"
dependencies = ["rich"]
optional-dependencies = { cli = ["click"] }
[dependency-groups]
dev = ["tox"]
"""
PACKAGE: dict[str, Any] = {
    "repository": "registry.example.org/me",
    "name": "other",
    "tag": "v1",
    "publish": True,
    "py_version": "3.11",
    "variant": "slim",
    "base_image": "docker.io/library/python:3.11-alpine",
    "pull": True,
    "dockerfile": "Containerfile.own",
    "dependencies_file": "needs.txt",
    "dependencies": ["click"],
    "extras": ["cli"],
    "groups": ["dev"],
    "system_packages": ["git"],
    "additional_files": ["app.py:/etc/x"],
    "context": "..",
    "user": "root",
    "builder": "other",
    "verbose": True,
    "quiet": True,
    "include_secrets": True,
    "secrets": ["id=HOME"],
    "wheel_cache": True,
}
RUNTIME: dict[str, Any] = {
    "executor": "other",
    "ports": [8080],
    "public": True,
    "env": {"A": "b"},
    # Outside the context, so that naming a file does not keep it from travelling.
    "env_file": ["../vars"],
    "mounts": ["./sub:/data"],
    "tmpfs": ["/t"],
    "outputs": ["out/*.csv"],
    "cpus": 2,
    "memory": "1g",
    "shm_size": "1g",
    "pids_limit": 100,
    "ulimits": {"nofile": 1024},
    "devices": ["/dev/null"],
    "gpus": 1,
    "network": "back",
    "name": "web",
    "grace_seconds": 3,
    "interrupt": "guest",
    "interrupt_status": 130,
    "hardened": True,
    "mount_source": True,
    "debug": 5678,
    "keep": True,
    "detach": True,
    "healthcheck": "true",
    "restart": "always",
    "wait_for": "log:x",
    "wait_seconds": 5,
    "call_timeout": 5,
    "call_limit": "1m",
    "call_format": "pickle",
    "call_fresh": True,
    "call_keep_seconds": 5,
    "cache_home": True,
    "loopback_relay": False,
}
REFUSED = {"runtime.replicas", "runtime.shard_spec", "runtime.job_spec"}
"""One engine runs one container."""
ELSEWHERE = {"package.member"}
"""It needs a workspace: tests/unit/dependencies/test_workspace.py."""
VALUES = {f"package.{name}": value for name, value in PACKAGE.items()} | {
    f"runtime.{name}": value for name, value in RUNTIME.items()
}
BESIDE: dict[str, dict[str, Any]] = {
    "package.publish": {"package.repository": "registry.example.org/me"},
    "runtime.public": {"runtime.ports": [8080]},
    "runtime.loopback_relay": {"runtime.ports": [8080]},
    "runtime.restart": {"runtime.detach": True},
    "runtime.wait_for": {"runtime.detach": True},
}
"""What an option needs to have an effect."""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = command_project(tmp_path, monkeypatch, SCRIPT)
    (project / "pyproject.toml").write_text(PROJECT)
    (project / "needs.txt").write_text("click\n")
    (tmp_path / "vars").write_text("A=b\n")
    (project / ".env").write_text("TOKEN=x\n")
    (project / "Containerfile.own").write_text("FROM docker.io/library/python:3-alpine\n")
    (project / "sub").mkdir()
    return project


@pytest.fixture
def engine() -> Iterator[FakeBackend]:
    with using(FakeBackend(write)) as backend:
        yield backend


def write(container: FakeContainer) -> int:
    container.stdout.write(b"x\n")
    return 0


def test_every_option_is_tested() -> None:
    assert VALUES.keys() | REFUSED | ELSEWHERE == OPTIONS.keys()


def text(value: object) -> str:
    """Return a value in the format of a variable."""
    return value if isinstance(value, str) else json.dumps(value)


NOT_HERE = {
    *("package.builder", "runtime.executor"),  # another engine has images of its own
    *("package.dockerfile", "package.secrets"),  # the fake engine cannot build these without help
    "runtime.cache_home",  # the fake engine makes no volumes
    "package.publish",  # the same files, but a published image is normalised
}


@pytest.mark.parametrize("key", sorted(VALUES.keys() - NOT_HERE))
def test_options_declared_so_change_the_image(
    monkeypatch: pytest.MonkeyPatch, engine: FakeBackend, key: str
) -> None:
    for other, value in BESIDE.get(key, {}).items():
        monkeypatch.setenv(OPTIONS[other].variable, text(value))
    images = []
    for variables in ({}, {OPTIONS[key].variable: text(VALUES[key])}):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        result = run_script("app.py")
        assert result.status == 0, result.stderr.decode()
        # A small change of the context is applied to the container instead.
        images.append((engine.runs[-1].spec.image, sorted(engine.runs[-1].files)))
    assert (images[1] != images[0]) is OPTIONS[key].decides_image


@pytest.mark.parametrize("key", [f"runtime.{name}" for name in RUNTIME])
def test_options_declared_so_change_the_unit(key: str) -> None:
    beside = {
        other.partition(".")[2]: value
        for other, value in BESIDE.get(key, {}).items()
        if other.startswith("runtime.")
    }
    name = key.partition(".")[2]

    def written(given: dict[str, Any]) -> str:
        runtime = runtime_options({**beside, **given})
        settings = Settings(package=package_options(None), runtime=runtime, origins={})
        return "".join(render(plan_image("x", settings), "x").files.values())

    if name == "mount_source":  # refused: a service has its source in the image
        assert QUADLET not in OPTIONS[key].runners
    else:
        changes = written({name: RUNTIME[name]}) != written({})
        assert changes is (QUADLET in OPTIONS[key].runners)
