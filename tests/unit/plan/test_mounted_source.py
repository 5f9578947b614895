"""The source mounted in place of a copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from buildr.engines.container_spec import MountSpec
from buildr.errors import ContainerError, OptionError
from buildr.options import PackageFile
from buildr.plan import mounted_source
from buildr.plan.entry import Entry
from buildr.testing import FakeBackend, using
from tests.unit.running import run_entry


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "project"
    (directory / "package").mkdir(parents=True)
    (directory / "app.py").write_text("print()\n")
    (directory / "package" / "setup.py").write_text("")
    monkeypatch.chdir(directory)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(mounted_source, "_SELINUX", str(tmp_path / "none"))
    return directory


def run(backend: FakeBackend, runtime: dict[str, Any] | None = None, **package: Any) -> int:
    entry = Entry(kind="script", script=str(Path("app.py").absolute()))
    with using(backend):
        return run_entry(entry, package, {"mount_source": True, **(runtime or {})})


def test_the_guest_gets_the_context_and_the_image_does_not(directory: Path) -> None:
    backend = FakeBackend()
    assert run(backend) == 0
    (container,) = backend.runs
    assert container.spec.mounts == (MountSpec(kind="bind", source=str(directory), target="/app"),)
    assert not any(name.startswith("context") for name in backend.builds[0].files)
    assert '"/app/"' not in backend.builds[0].containerfile


def test_with_selinux_the_mount_has_the_shared_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "enforce").write_text("1")
    monkeypatch.setattr(mounted_source, "_SELINUX", str(tmp_path / "enforce"))
    backend = FakeBackend()
    run(backend)
    assert backend.runs[0].spec.mounts[0].relabel == "z"


def test_a_change_of_the_source_builds_and_copies_nothing(directory: Path) -> None:
    backend = FakeBackend()
    run(backend)
    (directory / "app.py").write_text("print(2)\n")
    (directory / "package" / "setup.py").unlink()
    run(backend)
    assert len(backend.builds) == 1
    assert "put_archive" not in backend.operations


def test_a_change_of_the_dependencies_builds(directory: Path) -> None:
    backend = FakeBackend()
    run(backend)
    (directory / "requirements.txt").write_text("six\n")
    run(backend)
    assert len(backend.builds) == 2


def test_files_written_by_the_guest_are_the_user_s() -> None:
    import os

    rootless, rootful = FakeBackend(), FakeBackend(rootless=False)
    run(rootless)
    run(rootful)
    assert rootless.runs[0].spec.user == "0:0"
    assert rootful.runs[0].spec.user == f"{os.getuid()}:0"


def test_other_mounts_are_on_top_of_the_source() -> None:
    backend = FakeBackend()
    run(backend, {"mounts": ["./package:/app/other"]})
    targets = [mount.target for mount in backend.runs[0].spec.mounts]
    assert targets == ["/app", "/app/other"]


@pytest.mark.parametrize("requirement", ["./package", "-e ./package"])
def test_the_image_has_the_source_if_the_installation_needs_it(
    directory: Path, requirement: str
) -> None:
    (directory / "requirements.txt").write_text(f"{requirement}\n")
    backend = FakeBackend()
    run(backend)
    assert "context/app.py" in backend.builds[0].files
    assert backend.runs[0].spec.mounts[0].target == "/app"


@pytest.mark.parametrize(
    ("package", "what"),
    [
        ({"publish": True, "repository": "example.org/me"}, "publish"),
        ({"dockerfile": "Dockerfile"}, "dockerfile"),
        ({"additional_files": [PackageFile("app.py", "/app/x")]}, "covers"),
    ],
)
def test_incompatible_options_are_an_error(
    directory: Path, package: dict[str, Any], what: str
) -> None:
    (directory / "Dockerfile").write_text("FROM base\n")
    backend = FakeBackend()
    with pytest.raises(OptionError, match=what):
        run(backend, **package)
    assert backend.operations == []


def test_an_engine_on_another_machine_is_an_error() -> None:
    backend = FakeBackend(remote=True)
    with pytest.raises(ContainerError, match="on another machine"):
        run(backend)
    assert backend.runs == []
