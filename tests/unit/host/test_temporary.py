"""Folders for temporary files are removed with their process, however that ends, and no others are touched."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from buildr.host import temporary
from buildr.host.process import pid_namespace, start_time
from tests.unit.run.test_watchdog import wait_for_end

HOST = """\
import os, signal
from buildr.host import temporary
from buildr.host.guard import Guard
with temporary.folder() as folder, Guard({module!r}, "x") as guard:
    open(folder + "/file", "w").close()
    print(folder, guard._pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(temporary, "_PLACES", ())
    return tmp_path


def killed(module: str) -> tuple[Path, int]:
    """Return the folder of a process that was killed, and its guard."""
    command = (sys.executable, "-c", HOST.format(module=module))
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    folder, guard = done.stdout.split()
    return Path(folder), int(guard)


def name(*, namespace: str = "", pid: str = "4194305", start: str = "1") -> str:
    """Return the name of a folder of a process that is not there, but for what is said; no pid is as large, proc(5)."""
    return f"{temporary.PREFIX}{namespace or pid_namespace()}-{pid}-{start}-x"


def test_a_folder_is_private_and_removed_at_the_end(place: Path) -> None:
    with temporary.folder() as path:
        assert Path(path).parent == place
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
        (Path(path) / "file").touch()
    assert os.listdir(place) == []


def test_the_guard_removes_the_folder_of_a_killed_process(place: Path) -> None:
    folder, guard = killed("buildr.host.temporary")
    assert folder.parent == place
    wait_for_end(guard)
    assert os.listdir(place) == []


def test_the_next_run_removes_the_folder_of_a_killed_process(place: Path) -> None:
    folder, _ = killed("nothing")
    assert (folder / "file").exists()
    temporary.sweep()
    assert os.listdir(place) == []


def test_a_zombie_counts_as_ended(place: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        start = start_time(str(process.pid))
        (place / name(pid=str(process.pid), start=start)).mkdir()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        temporary.sweep()
        assert os.listdir(place) == []


def test_doubtful_folders_are_kept(place: Path) -> None:
    kept = [
        name(namespace="1"),
        f"{temporary.PREFIX}x",
        f"{temporary.PREFIX}{pid_namespace()}-1-",
        "buildr-test-1-1-1-x",
    ]
    for one in kept:
        (place / one).mkdir()
    (place / name(start="2")).write_text("no folder")
    (place / name(start="3")).symlink_to(place / kept[0])
    with temporary.folder() as mine:
        temporary.sweep()
        left = {*kept, name(start="2"), name(start="3"), Path(mine).name}
        assert set(os.listdir(place)) == left


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_another_user_s_folder_is_kept(place: Path) -> None:
    (place / name()).mkdir()
    os.chown(place / name(), 65534, 65534)
    temporary.sweep()
    assert os.listdir(place) == [name()]


def test_a_missing_temporary_directory_is_skipped(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(place / "nowhere"))
    monkeypatch.setenv("TMP", str(place))
    (place / name()).mkdir()
    temporary.sweep()
    assert os.listdir(place) == []
