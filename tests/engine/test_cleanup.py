"""No container outlives its host process, however that ends."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.engine.harness import Engine

SECONDS = 60  # far beyond any grace here

APP = """\
import sys, time
from buildr import Containerize

@Containerize(runtime={"grace_seconds": 1})
def main():
    print("ready")
    if sys.argv[1:] == ["wait"]:
        time.sleep(600)

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def running(engine: Engine, project: Path) -> Iterator[tuple[subprocess.Popen[bytes], set[str]]]:
    """A run whose guest has begun, and the containers that were there before."""
    (project / "app.py").write_text(APP)
    before = engine.containers()
    with engine.popen(sys.executable, "app.py", "wait", cwd=project) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process, before
        finally:
            process.kill()


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def watchdog_of(process: subprocess.Popen[bytes]) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        if b"watchdog.py" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    raise AssertionError("there is no watchdog")


def test_the_watchdog_ends_the_container_of_a_killed_host_process(
    engine: Engine, running: tuple[subprocess.Popen[bytes], set[str]]
) -> None:
    process, before = running
    kill(process)
    deadline = time.monotonic() + SECONDS
    while (
        engine.containers() - before
    ):  # each look is a command of the engine's, so this is no busy loop
        assert time.monotonic() < deadline, "the container is still there"


def test_the_next_run_sweeps_what_even_the_watchdog_missed(
    engine: Engine, project: Path, running: tuple[subprocess.Popen[bytes], set[str]]
) -> None:
    process, before = running
    os.kill(watchdog_of(process), signal.SIGKILL)
    kill(process)
    assert engine.containers() - before
    assert engine.python("app.py", cwd=project).returncode == 0
    assert not engine.containers() - before


def test_a_run_leaves_other_live_runs_alone(
    engine: Engine, project: Path, running: tuple[subprocess.Popen[bytes], set[str]]
) -> None:
    process, before = running
    assert engine.python("app.py", cwd=project).returncode == 0
    assert len(engine.containers() - before) == 1
    process.send_signal(signal.SIGINT)
    assert process.wait() == 0
    assert not engine.containers() - before
