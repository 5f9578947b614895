"""Old images are removed only while no build runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from buildr.host import private_folders
from buildr.leftovers.build_lock import alone, building, killed


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_several_builds_share_the_lock() -> None:
    with building(), building():
        pass


def test_a_build_prevents_an_exclusive_lock() -> None:
    with building(), alone() as nobody_builds:
        assert not nobody_builds


def test_after_the_build_the_lock_can_be_exclusive() -> None:
    with building():
        pass
    with alone() as nobody_builds:
        assert nobody_builds


def test_only_one_removes_at_a_time() -> None:
    with alone(), alone() as again:
        assert not again


def test_without_a_folder_for_the_lock_builds_work_and_nothing_is_removed(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write_text("a file in the way")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(cache))
    monkeypatch.setattr(private_folders, "TEMPORARY", str(cache))
    with building(), alone() as nobody_builds:
        assert not nobody_builds


def test_a_killed_build_is_recorded() -> None:
    code = "import os\nfrom buildr.leftovers.build_lock import building\nwith building('docker'): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], check=False)
    (mark,) = killed("docker")
    assert killed("podman") == []
    Path(mark).unlink()
    assert killed("docker") == []


def test_live_and_finished_builds_are_not_killed_ones() -> None:
    with building("docker"):
        assert killed("docker") == []
    assert killed("docker") == []


def test_the_lock_works_without_a_cache_folder(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / "buildr").mkdir(parents=True)
    (cache / "buildr").chmod(0o777)
    (cache / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(cache / "run"))
    with building("docker"), alone() as nobody_builds:
        assert not nobody_builds
    with alone() as nobody_builds:
        assert nobody_builds
    assert not list((cache / "buildr").iterdir())
