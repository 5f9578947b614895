"""The watchdog cleans up when its host process dies, and only then."""

from __future__ import annotations

import contextlib
import os
import runpy
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from buildr import labels as run_labels
from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec
from buildr.errors import EngineUnavailableError
from buildr.host import guard, temporary
from buildr.host.process import pid_namespace
from buildr.run import watchdog
from buildr.run.watchdog import Watchdog
from buildr.testing import FakeBackend
from buildr_backends.http import client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from buildr.engines.records import ContainerState, Target

SECONDS = 60

BACKEND = """\
import os
from buildr.errors import EngineUnavailableError
from buildr.testing import FakeBackend

def connect(target):
    with open(os.environ["WITNESS"], "a") as witness:
        print(target.endpoint, file=witness)
    if os.path.getsize(os.environ["WITNESS"]) < int(os.environ["LOST"]):
        raise EngineUnavailableError("not yet")
    return FakeBackend()
"""

HOST = """\
import os, select, signal, sys
from buildr.run.watchdog import Watchdog

try:
    with Watchdog("witness", "unix:///some.sock", "run-id", 3600) as watchdog:
        print(watchdog._pid, flush=True)
        watchdog.created()
        if sys.argv[1] == "fork and die" and not os.fork():
            os.closerange(1, 3)
            select.select([os.pidfd_open(watchdog._pid)], [], [], 60)
            os._exit(0)
        if "die" in sys.argv[1]:
            os.kill(os.getpid(), signal.SIGKILL)
        if sys.argv[1] == "force":
            raise KeyboardInterrupt
        if sys.argv[1] == "take over":
            watchdog.take_over()
except KeyboardInterrupt:
    pass
print("done", flush=True)
"""


def host(tmp_path: Path, how: str, lost: int = 0) -> tuple[int, bytes, Path]:
    """Run a host process with a watchdog; return the watchdog's pid, the output, and what the backend witnessed."""
    site = tmp_path / "site"
    (site / "witness-1.dist-info").mkdir(parents=True)
    (site / "witness_backend.py").write_text(BACKEND)
    (site / "witness-1.dist-info" / "METADATA").write_text("Name: witness\nVersion: 1\n")
    (site / "witness-1.dist-info" / "entry_points.txt").write_text(
        "[buildr.backends]\nwitness = witness_backend:connect\n"
    )
    (tmp_path / "host.py").write_text(HOST)
    witness = tmp_path / "witness"
    environ = {**os.environ, "PYTHONPATH": str(site), "WITNESS": str(witness), "LOST": str(lost)}
    done = subprocess.run(
        [sys.executable, tmp_path / "host.py", how],
        env=environ,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    pid, _, rest = done.stdout.partition(b"\n")
    return int(pid), rest, witness


def wait_for_end(pid: int) -> None:
    """Wait for the end of a process that is not ours."""
    import select

    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], SECONDS)[0], "the watchdog does not end"
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("how", ["die", "fork and die"])
def test_the_watchdog_cleans_up_after_a_killed_host_process(tmp_path: Path, how: str) -> None:
    pid, rest, witness = host(tmp_path, how)
    wait_for_end(pid)
    assert rest == b""
    assert witness.read_text() == "unix:///some.sock\n"


@pytest.mark.parametrize("lost", [0, 10**9])
def test_the_watchdog_removes_temporary_files_without_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(watchdog, "_LOST_SECONDS", 0)
    left = tmp_path / f"{temporary.PREFIX}{pid_namespace()}-4194305-1-x"
    left.mkdir()
    (tmp_path / "backend.py").write_text(BACKEND)
    monkeypatch.setenv("WITNESS", str(tmp_path / "witness"))
    monkeypatch.setenv("LOST", str(lost))
    monkeypatch.setattr(
        "buildr.engines.registry.load",
        lambda _: runpy.run_path(str(tmp_path / "backend.py"))["connect"],
    )
    with contextlib.suppress(EngineUnavailableError):
        watchdog.end(["witness", "unix:///some.sock", "run-id", "0"], 0, 0)
    assert not left.exists()


def test_temporary_files_do_not_wait_for_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    left = tmp_path / f"{temporary.PREFIX}{pid_namespace()}-4194305-1-x"
    left.mkdir()
    seen: list[bool] = []

    def connect(_: Target) -> FakeBackend:
        seen.append(left.exists())
        return FakeBackend()

    monkeypatch.setattr("buildr.engines.registry.load", lambda _: connect)
    watchdog.end(["witness", "", "run-id", "0"], 0, 0)
    assert seen == [False]


@pytest.mark.parametrize("how", ["take over", "force"])
def test_the_watchdog_cleans_up_on_request(tmp_path: Path, how: str) -> None:
    pid, rest, witness = host(tmp_path, how)
    wait_for_end(pid)
    assert rest == b"done\n"
    assert witness.read_text() == "unix:///some.sock\n"


def test_the_watchdog_waits_for_a_returning_engine(tmp_path: Path) -> None:
    pid, _, witness = host(tmp_path, "take over", lost=40)
    wait_for_end(pid)
    assert len(witness.read_text().splitlines()) == 3


def test_the_watchdog_ends_silently_after_a_clean_exit(tmp_path: Path) -> None:
    pid, rest, witness = host(tmp_path, "live")
    wait_for_end(pid)
    assert rest == b"done\n"
    assert not witness.exists()


def test_the_waiting_watchdog_loads_no_modules() -> None:
    code = "import sys; before = set(sys.modules); import buildr.host.guard as g; print(g.__file__)"
    path = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    listing = "import sys; exec(open(sys.argv[1]).read(), {'__name__': 'x'}); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-IS", "-c", listing, path], capture_output=True, text=True, check=True
    )
    assert not {"typing", "json", "buildr", "msgspec"} & set(done.stdout.split())


# What it waits for ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "seconds", "count"),
    [
        ("", 0, 0),
        ("asked", guard.CREATING_SECONDS, 1),
        ("asked created", 0, 1),
        ("asked refused", 0, 0),
        ("asked created removed", 0, 0),
        ("asked created asked", guard.CREATING_SECONDS, 2),  # calls of one function
        ("asked created removed asked", guard.CREATING_SECONDS, 1),
    ],
)
def test_the_watchdog_knows_the_number_of_containers(
    monkeypatch: pytest.MonkeyPatch, words: str, seconds: float, count: int
) -> None:
    said: list[bytes] = []
    host = Watchdog("witness", "", "run-id", 1)
    monkeypatch.setattr(host, "say", said.append)
    for word in words.split():
        getattr(host, word)()
    become: list[list[str]] = []
    system = SimpleNamespace(
        read=lambda *_: said.pop(0) if said else b"",
        execv=lambda _, command: become.append(command),
    )
    monkeypatch.setattr("buildr.host.guard.os", system)
    guard.watch(["buildr.run.watchdog", "witness", "", "run-id", "1"])
    assert become[0][-3:] == ["--end", str(seconds), str(count)]


class Slow(FakeBackend):
    """An engine whose containers appear after so many seconds of a clock that only `sleep` moves."""

    def __init__(self, *seconds: float) -> None:
        super().__init__(lambda container: container.signals.wait())
        self.base = self.add_image("image").id
        self.seconds = list(seconds)
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def containers(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
        while self.seconds and self.now >= self.seconds[0]:
            del self.seconds[0]
            spec = ContainerSpec(image=self.base, labels={run_labels.RUN: "r"})
            self.create(ownership.signed(spec))
        return super().containers(labels)


@pytest.mark.parametrize(
    ("appear", "pending", "count"), [([100], True, 1), ([0, 100], True, 2), ([0], False, 1)]
)
def test_a_late_container_of_a_slow_engine_is_removed(
    monkeypatch: pytest.MonkeyPatch, appear: list[float], pending: bool, count: int
) -> None:
    engine = Slow(*appear)
    monkeypatch.setattr("time.sleep", engine.sleep)
    monkeypatch.setattr("time.monotonic", lambda: engine.now)
    seconds = guard.CREATING_SECONDS if pending else 0
    watchdog._end(lambda: engine, "r", 0, seconds, count)
    assert [run.removed for run in engine.runs] == [True] * count
    assert engine.now <= appear[-1] + 5


def test_the_watchdog_waits_as_long_as_a_host_process_for_an_answer() -> None:
    assert guard.CREATING_SECONDS >= client.ANSWER_SECONDS
    assert watchdog._LOST_SECONDS > client.ANSWER_SECONDS
