"""The key that tells this user's things from all others: random, private, and the same for all processes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from buildr.host import state

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "buildr"


def elsewhere() -> str:
    """Return what another process takes this user on this machine for."""
    code = "from buildr.host import state; print(state.machine())"
    return subprocess.check_output([sys.executable, "-c", code], text=True).strip()


def test_the_key_is_private_and_the_same_for_all_processes() -> None:
    found = state.machine()
    assert len(found) == 32
    assert elsewhere() == found
    status = os.stat(f"{state.directory()}/key")
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_size == 32
    assert os.listdir(state.directory()) == ["key"]


def test_parallel_processes_create_one_key() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len({*pool.map(lambda _number: elsewhere(), range(8))}) == 1


def test_another_directory_is_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = state.machine()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    assert state.machine() not in ("", here)


@pytest.mark.parametrize(
    "damage", ["short", "long", "open", "link", "fifo", "folder", "writable folder"]
)
def test_a_key_readable_by_others_is_not_used(home: Path, tmp_path: Path, damage: str) -> None:
    home.mkdir(parents=True)
    key = home / "key"
    if damage == "link":
        (tmp_path / "real").write_bytes(bytes(32))
        (tmp_path / "real").chmod(0o600)
        key.symlink_to(tmp_path / "real")
    elif damage == "fifo":
        os.mkfifo(key, 0o600)
    elif damage == "folder":
        key.mkdir()
    elif damage == "writable folder":
        home.chmod(0o777)
    else:
        key.write_bytes(bytes({"short": 31, "long": 33}.get(damage, 32)))
        key.chmod(0o644 if damage == "open" else 0o600)
    assert state._key(state.directory()) is None


def test_a_relative_variable_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_STATE_HOME", "here")
    assert state.directory() == "/home/me/.local/state/buildr"


def test_a_home_that_cannot_be_written_is_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc")
    assert state._key(state.directory()) is None


@pytest.mark.skipif(os.getuid() != 0, reason="a folder of another user's takes root")
def test_under_sudo_nothing_is_created_in_the_user_s_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    monkeypatch.setenv("XDG_STATE_HOME", str(home / ".local" / "state"))
    assert state._key(state.directory()) is None
    assert not list(home.iterdir())


def test_a_missing_home_is_not_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "nobody" / "here"))
    assert state.machine()
    assert not (tmp_path / "nobody").exists()
