"""No daemon: without a Podman socket and dockerd, a plain user's script runs in a container."""

from __future__ import annotations

import os
import select
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import fresh_runtime_directory, project_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "hello.py"
SECONDS = 60  # much longer than the idle time of these tests


@pytest.fixture
def runtime_directory(rootless_podman: Engine) -> Iterator[Path]:
    """A fresh XDG_RUNTIME_DIR of the plain user, without a socket."""
    yield from fresh_runtime_directory(rootless_podman)


@pytest.fixture
def hello(rootless_podman: Engine) -> Iterator[Path]:
    for directory in project_directory(rootless_podman, "hello"):
        shutil.copy(EXAMPLE, directory)
        yield directory


def processes(directory: Path) -> dict[int, list[bytes]]:
    """Return the command lines of processes that log to a file in a directory by standard error, by pid."""
    found = {}
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and str(directory) in os.readlink(process / "fd" / "2"):
                found[int(process.name)] = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended, or belongs to another user
    return found


def test_a_script_runs_and_leaves_only_a_service_that_ends_when_idle(
    rootless_podman: Engine, hello: Path, runtime_directory: Path
) -> None:
    environ = {"XDG_RUNTIME_DIR": str(runtime_directory), "BUILDR_PODMAN_IDLE_SECONDS": "5"}
    done = rootless_podman.python("hello.py", cwd=hello, env=environ)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.startswith(b"hello world, from ")

    directory = runtime_directory / "buildr"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    (socket,) = directory.glob("podman-*.sock")
    assert stat.S_IMODE(socket.stat().st_mode) == 0o600

    left = processes(directory)
    assert any(command[1:3] == [b"system", b"service"] for command in left.values())
    for pid in left:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue  # a helper of the service that was ending
        try:
            ended, _, _ = select.select([descriptor], [], [], SECONDS)
        finally:
            os.close(descriptor)
        assert ended, f"{left[pid]} does not end"


def test_two_runs_share_one_service(
    rootless_podman: Engine, hello: Path, runtime_directory: Path
) -> None:
    environ = {"XDG_RUNTIME_DIR": str(runtime_directory), "BUILDR_PODMAN_IDLE_SECONDS": "20"}
    for _ in range(2):
        assert rootless_podman.python("hello.py", cwd=hello, env=environ).returncode == 0
    assert len(list((runtime_directory / "buildr").glob("podman-*.sock"))) == 1
    assert len(list((runtime_directory / "buildr").glob("podman-*.log"))) == 1
