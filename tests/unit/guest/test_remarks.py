"""What the first process says when the command has ended."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from buildr.guest import init, remarks
from tests.unit.processes import python

if TYPE_CHECKING:
    from pathlib import Path

# Memory -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"memory.events": "low 0\noom 2\noom_kill 1\n", "memory.max": "104857600\n"}, "100 MiB"),
        ({"memory.events": "oom_kill 1\n", "memory.max": "max\n"}, "machine's memory"),
        (
            {
                "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
                "memory/memory.limit_in_bytes": "52428800\n",
            },
            "50 MiB",
        ),
        ({"memory.events": "oom 3\noom_kill 0\n", "memory.max": "1\n"}, ""),
        ({}, ""),
    ],
)
def test_an_out_of_memory_kill_is_reported(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = remarks.of_memory(str(tmp_path))
    assert said in found
    assert bool(found) is bool(said)


# Faults -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGSEGV, "the script was killed by SIGSEGV (Segmentation fault)"),
        (signal.SIGABRT, "the script was killed by SIGABRT (Aborted)"),
        (signal.SIGBUS, "the script was killed by SIGBUS (Bus error)"),
        (signal.SIGKILL, ""),  # of anybody
        (signal.SIGTERM, ""),
        (0, ""),
    ],
)
def test_a_fault_is_named(tmp_path: Path, number: int, said: str) -> None:
    assert remarks.of_signal(number, str(tmp_path)) == said


def test_a_bus_error_with_full_shared_memory_names_the_option(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = os.statvfs_result((4096, 4096, 16384, 0, 0, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _path: full)
    assert remarks.of_signal(signal.SIGBUS) == (
        "the script was killed by SIGBUS, and /dev/shm is full: its size is 64 MiB (runtime.shm_size, --shm-size)"
    )


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "os.kill(os.getpid(), 11)",
            b"buildr: the script was killed by SIGSEGV (Segmentation fault)\n",
        ),
        ("os._exit(139)", b""),  # its own status
        ("os.kill(os.getpid(), 15)", b""),
    ],
)
def test_a_fault_is_reported_once_and_only_if_it_was_one(
    tmp_path: Path, code: str, said: bytes
) -> None:
    command = ("-IS", init.__file__, sys.executable, "-c", f"import os; {code}")
    assert python(*command, cwd=tmp_path).stderr == said


# Files ------------------------------------------------------------------------------------------------


def test_created_and_changed_files_are_found(tmp_path: Path) -> None:
    for name in ("old", "changed", "sub/deep/old"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    since = max(path.stat().st_ctime for path in tmp_path.rglob("*")) + 1e-6
    while time.time() < since + init._TICK:  # as coarse as the clock of files is
        pass
    (tmp_path / "changed").write_text("2")
    (tmp_path / "sub/deep/new").touch()
    (tmp_path / "link").symlink_to("/nowhere")
    for name in ("__pycache__/x.pyc", ".cache/y", ".hidden", "z.pyc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert remarks.written(since, str(tmp_path)) == ["changed", "link", "sub/deep/new"]
    assert remarks.written(0, str(tmp_path / "absent")) == []


def test_other_file_systems_are_skipped() -> None:
    assert remarks.written(0, "/proc") == []


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ([], ""),
        (
            ["a\n.csv"],
            "1 new or changed file in /app was not kept: a?.csv; --live, mounts or outputs keep it",
        ),
        (
            ["a", "b", "c", "d"],
            "4 new or changed files in /app were not kept: a, b, c, …; --live, mounts or outputs keep them",
        ),
    ],
)
def test_written_files_are_named(paths: list[str], said: str) -> None:
    assert remarks.of_files(paths) == said


@pytest.mark.parametrize("asked", ["always", "success"])
def test_the_command_does_not_see_the_request(tmp_path: Path, asked: str) -> None:
    command = ("sh", "-c", "echo ${BUILDR_NOT_KEPT-none}")
    done = python("-IS", init.__file__, *command, cwd=tmp_path, env={init.NOT_KEPT: asked})
    assert (done.stdout, done.returncode) == (b"none\n", 0)
    assert os.listdir(tmp_path) == []
