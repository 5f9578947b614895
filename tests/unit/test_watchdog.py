"""The watchdog cleans up when its host process dies, and only then."""

from __future__ import annotations

import contextlib
import os
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from buildr import identity, temporary, watchdog
from buildr.errors import EngineUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

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
import os, signal, sys
from buildr.watchdog import Watchdog

try:
    with Watchdog("witness", "unix:///some.sock", "run-id", 3600) as watchdog:
        print(watchdog._pid, flush=True)
        watchdog.created()
        if sys.argv[1] == "die":
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


def test_it_cleans_up_when_the_host_process_is_killed(tmp_path: Path) -> None:
    pid, rest, witness = host(tmp_path, "die")
    wait_for_end(pid)
    assert rest == b""
    assert witness.read_text() == "unix:///some.sock\n"


@pytest.mark.parametrize("lost", [0, 10**9])
def test_it_removes_temporary_files_whatever_becomes_of_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(watchdog, "_LOST_SECONDS", 0)
    left = tmp_path / f"{temporary.PREFIX}{identity.namespace()}-4194305-1-x"
    left.mkdir()
    (tmp_path / "backend.py").write_text(BACKEND)
    monkeypatch.setenv("WITNESS", str(tmp_path / "witness"))
    monkeypatch.setenv("LOST", str(lost))
    monkeypatch.setattr(
        "buildr.registry.load", lambda _: runpy.run_path(str(tmp_path / "backend.py"))["connect"]
    )
    with contextlib.suppress(EngineUnavailableError):
        watchdog.end(["witness", "unix:///some.sock", "run-id", "0"], 0)
    assert not left.exists()


@pytest.mark.parametrize("how", ["take over", "force"])
def test_it_cleans_up_when_the_host_process_hands_that_over(tmp_path: Path, how: str) -> None:
    pid, rest, witness = host(tmp_path, how)
    wait_for_end(pid)
    assert rest == b"done\n"
    assert witness.read_text() == "unix:///some.sock\n"


def test_it_waits_for_an_engine_that_comes_back(tmp_path: Path) -> None:
    pid, _, witness = host(tmp_path, "take over", lost=40)
    wait_for_end(pid)
    assert len(witness.read_text().splitlines()) == 3


def test_it_goes_without_a_trace_when_the_host_process_has_cleaned_up(tmp_path: Path) -> None:
    pid, rest, witness = host(tmp_path, "live")
    wait_for_end(pid)
    assert rest == b"done\n"
    assert not witness.exists()


def test_while_it_waits_it_has_loaded_no_module_of_its_own() -> None:
    code = "import sys; before = set(sys.modules); import buildr.watchdog as w; print(w.__file__)"
    path = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    listing = "import sys; exec(open(sys.argv[1]).read(), {'__name__': 'x'}); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-IS", "-c", listing, path], capture_output=True, text=True, check=True
    )
    assert not {"typing", "json", "buildr", "msgspec"} & set(done.stdout.split())
