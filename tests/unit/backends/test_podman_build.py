"""A build that is given up: its steps are killed, and what Podman then cleans up is waited for."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from buildr_backends import _podman_build, _podman_service
from buildr_backends._endpoint import Endpoint
from buildr_backends._podman_build import BuildService

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# A service whose child leads a step, under the name by which Podman's does.
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
        endpoint = Endpoint(url=f"unix://{path}", path=str(path))
        monkeypatch.setattr(_podman_service, "start_apart", lambda _: (endpoint, process.pid))
        monkeypatch.setattr(_podman_build, "_PAUSE_SECONDS", 0)
        yield process
        process.kill()


def build(
    service: subprocess.Popen[bytes],
    working: Callable[[], set[str]],
    end: BaseException | None = None,
) -> int:
    """Build until a step runs, and end as told; return a pidfd of the step."""
    ends = () if end is None else (type(end),)
    with contextlib.suppress(*ends), BuildService("podman", working):
        assert service.stdout is not None
        step = os.pidfd_open(int(service.stdout.readline()))
        if end is not None:
            raise end
    return step


def never() -> set[str]:
    raise AssertionError("a build that has come to its end has cleaned up")


def has_ended(process: int) -> bool:
    with open(process, closefd=True):
        return bool(select.select([process], [], [], 60)[0])


@pytest.mark.parametrize("end", [None, OSError("a step failed")])
def test_the_service_ends_with_the_build_and_its_socket_goes(
    service: subprocess.Popen[bytes], tmp_path: Path, end: Exception | None
) -> None:
    step = build(service, never, end)
    assert service.wait(60) == -signal.SIGTERM
    assert not (tmp_path / "x.sock").exists()
    signal.pidfd_send_signal(step, signal.SIGKILL)
    os.close(step)


def test_an_interrupt_kills_the_step_and_waits_for_the_removal(
    service: subprocess.Popen[bytes],
) -> None:
    working: list[set[str]] = [set(), {"other", "later"}, {"ours", "other"}]
    assert has_ended(build(service, working.pop, KeyboardInterrupt()))
    assert working == []  # asked until what there was had gone
    assert service.wait(60) == -signal.SIGTERM


def test_what_is_never_removed_is_not_waited_for_for_ever(
    service: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_podman_build, "_CLEANUP_SECONDS", 0)
    step = build(service, lambda: {"another's"}, KeyboardInterrupt())
    assert service.wait(60) == -signal.SIGTERM
    signal.pidfd_send_signal(step, signal.SIGKILL)
    os.close(step)


def test_left_sockets_are_removed_and_live_and_young_ones_kept(tmp_path: Path) -> None:
    for name in ("build-live.sock", "build-left.sock", "build-young.sock"):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / name))
            if name == "build-live.sock":
                live = listener.dup()
                live.listen()
        if name != "build-young.sock":
            os.utime(tmp_path / name, (0, 0))
    (tmp_path / "podman-x.sock").touch()
    os.utime(tmp_path / "podman-x.sock", (0, 0))
    _podman_service._remove_left_sockets(str(tmp_path))
    live.close()
    assert sorted(os.listdir(tmp_path)) == ["build-live.sock", "build-young.sock", "podman-x.sock"]
