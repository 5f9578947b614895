"""Cancelled builds: their steps are killed, and Podman's clean-up is awaited."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from buildr.host.process import start_time
from buildr_backends.http.endpoint import Endpoint
from buildr_backends.podman import build as podman_build
from buildr_backends.podman import launch, private_directory, private_service
from buildr_backends.podman.build import BuildService
from buildr_backends.podman.private_service import PrivateService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# A service with a child that leads a step, with the name of Podman's.
SERVICE = """\
import os, subprocess, sys
leader = (
    "import subprocess, sys; step = subprocess.Popen(['sleep', '3600']);"
    "print(step.pid, flush=True); step.wait()"
)
subprocess.run(["buildah-oci-runtime", "-c", leader], executable=sys.executable)
os.read(0, 1)
"""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    path = tmp_path / "x.sock"
    path.touch()
    with subprocess.Popen(
        [sys.executable, "-c", SERVICE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        found = PrivateService(
            endpoint=Endpoint(url=f"unix://{path}", path=str(path)),
            pid=process.pid,
            started=start_time(str(process.pid)),
        )
        monkeypatch.setattr(private_service, "start", lambda _: found)
        monkeypatch.setattr(podman_build, "_PAUSE_SECONDS", 0)
        yield process
        process.kill()


def build(
    service: subprocess.Popen[bytes],
    working: Callable[[], set[str]],
    end: BaseException | None = None,
) -> int:
    """Build until a step is running, and end as requested; return a pidfd of the step."""
    ends = () if end is None else (type(end),)
    with contextlib.suppress(*ends), BuildService("podman", working):
        assert service.stdout is not None
        step = os.pidfd_open(int(service.stdout.readline()))
        if end is not None:
            raise end
    return step


def has_ended(process: int) -> bool:
    with open(process, closefd=True):
        return bool(select.select([process], [], [], 60)[0])


@pytest.mark.parametrize("end", [None, OSError("a step failed")])
def test_the_service_ends_with_the_build_and_its_socket_is_removed(
    service: subprocess.Popen[bytes], tmp_path: Path, end: Exception | None
) -> None:
    before = [set[str]()]
    step = build(
        service, before.pop, end
    )  # asked once: a build that has come to its end has cleaned up
    assert service.wait(60) == -signal.SIGTERM
    assert not (tmp_path / "x.sock").exists()
    signal.pidfd_send_signal(step, signal.SIGKILL)
    os.close(step)


def test_an_interrupt_kills_the_step_and_waits_for_the_removal(
    service: subprocess.Popen[bytes],
) -> None:
    earlier = {"an earlier one"}
    working = [earlier, {"other", "later"} | earlier, {"ours", "other"} | earlier, earlier]
    assert has_ended(build(service, working.pop, KeyboardInterrupt()))
    assert working == []  # asked until what there was had gone
    assert service.wait(60) == -signal.SIGTERM


def test_waiting_for_a_removal_is_limited(
    service: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(podman_build, "_CLEANUP_SECONDS", 0)
    step = build(service, iter([set(), {"another's"}]).__next__, KeyboardInterrupt())
    assert service.wait(60) == -signal.SIGTERM
    signal.pidfd_send_signal(step, signal.SIGKILL)
    os.close(step)


HOST = """\
import os, signal, subprocess, sys
from buildr.host.process import start_time
from buildr_backends.podman import build as podman_build, launch, private_directory, private_service
from buildr_backends.http.endpoint import Endpoint

def start(podman, path, log, temporary):
    command = [sys.executable, "-c", sys.argv[2]]
    service = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    print(service.pid, int(service.stdout.readline()), flush=True)
    return service.pid

launch.start = start
private_directory.private_directory = lambda: sys.argv[1]
build = podman_build.BuildService("podman", set)
if sys.argv[3] == "guarded":
    build.__enter__()
    print(build._guard._pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_host(tmp_path: Path, how: str) -> list[int]:
    """Kill a host process in the middle of a build; return pidfds of service, step and, if there is one, guard."""
    done = subprocess.run(
        [sys.executable, "-c", HOST, tmp_path, SERVICE, how],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    return [os.pidfd_open(int(pid)) for pid in done.stdout.split()]


def test_the_guard_ends_the_build_of_a_killed_host_process(tmp_path: Path) -> None:
    assert all(map(has_ended, killed_host(tmp_path, "guarded")))
    assert os.listdir(tmp_path) == []


def test_a_build_without_its_guard_is_found_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_directory, "private_directory", lambda: str(tmp_path))
    processes = killed_host(tmp_path, "alone")
    (left,) = private_service.left_behind()
    assert left.is_alive
    podman_build.end(left)
    assert all(map(has_ended, processes))
    assert list(private_service.left_behind()) == []
    assert os.listdir(tmp_path) == []


def test_a_build_with_a_live_host_process_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(private_directory, "private_directory", lambda: str(tmp_path))
    monkeypatch.setattr(launch, "start", lambda *_: os.getpid())
    mine = private_service.start("podman")
    assert mine.is_alive
    assert list(private_service.left_behind()) == []
    private_service.forget(mine)
