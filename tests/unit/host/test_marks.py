"""A leftover mark shows that a run or build was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from buildr.host import cache, marks
from buildr.run.watchdog import Watchdog
from buildr.testing import FakeBackend, FakeContainer, using
from tests.unit.runners.test_engine import empty_input, project_directory, run

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["empty_input", "project_directory"]  # fixtures

KILLED = "import os\nfrom buildr.host.marks import Mark\nmark = Mark({kind!r}, {engine!r}, {name!r})\nos.kill(os.getpid(), 9)"


def killed(kind: str, engine: str, name: str = "x") -> None:
    code = KILLED.format(kind=kind, engine=engine, name=name)
    subprocess.run([sys.executable, "-c", code], check=False)


def test_a_leftover_mark_has_its_kind_and_engine() -> None:
    killed("run", "docker")
    assert len(marks.left("run", "docker")) == 1
    assert not marks.left("build", "docker")
    assert not marks.left("run", "podman")


def test_live_processes_have_no_leftover_marks_and_finished_ones_none() -> None:
    mark = marks.Mark("run", "docker", "x")
    assert not marks.left("run", "docker")
    mark.remove()
    assert not os.listdir(f"{cache.directory()}/marks")


def test_parallel_readers_see_the_same_marks() -> None:
    killed("run", "docker")
    (path,) = marks.left("run", "docker")
    with open(path) as file:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_SH)
        assert marks.left("run", "docker") == [path]


def test_live_processes_are_recognized_in_another_pid_namespace() -> None:
    mark = marks.Mark("build", "docker", "x")
    code = "from buildr.host import marks; print(marks.left('build', 'docker'))"
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare:" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.stdout == "[]\n"
    mark.remove()


def test_each_machine_sees_its_own_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "here"))
    killed("run", "docker")
    assert marks.left("run", "docker")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    assert not marks.left("run", "docker")


@pytest.mark.parametrize("cache_home", ["/proc", "/dev/null"])
def test_without_a_writable_folder_nothing_fails(
    cache_home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", cache_home)
    mark = marks.Mark("run", "docker", "x")
    mark.note("a line")
    assert not marks.left("run", "docker")
    mark.remove()


def test_a_run_is_marked_and_leaves_no_mark() -> None:
    seen: list[int] = []

    def guest(_container: FakeContainer) -> int:
        seen.append(len(os.listdir(f"{cache.directory()}/marks")))
        return 0

    assert run(FakeBackend(guest)) == 0
    assert seen == [1]
    assert not os.listdir(f"{cache.directory()}/marks")


def test_a_watchdog_that_finishes_the_work_keeps_the_mark_until_it_has_ended() -> None:
    watchdog = Watchdog("docker", "memory:docker", "0" * 32, 0)
    with watchdog:
        watchdog.take_over()
        pid = watchdog._pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
    assert not marks.left("run", "docker")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert len(marks.left("run", "docker")) == 1


def test_parallel_threads_have_separate_marks() -> None:
    def mark(number: int) -> None:
        marks.Mark("run", "docker", f"{number}").remove()

    threads = [threading.Thread(target=mark, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with using(FakeBackend(name="docker")):
        assert not marks.left("run", "docker")
