"""Signals to the host process, and their effect on the guest."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import await_line, give

if TYPE_CHECKING:
    import subprocess

    from tests.engine.harness import Engine, Guest

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

SECONDS = 120  # longer than any expected wait
FORWARDED = ("SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGTERM")


def end(process: subprocess.Popen[bytes]) -> tuple[int, bytes, bytes]:
    output, errors = process.communicate(timeout=SECONDS)
    return process.returncode, output, errors


def test_an_interrupt_reaches_the_guest_and_the_run_ends_with_0(guest: Guest) -> None:
    process = guest.start("interrupted")
    await_line(process, b"ready")
    process.send_signal(signal.SIGINT)
    status, output, errors = end(process)
    assert (status, output) == (0, b"interrupted\n")
    assert b"Traceback" not in errors


def test_a_guest_that_ignores_an_interrupt_is_killed_after_its_grace(guest: Guest) -> None:
    process = guest.start("stubborn", grace_seconds=0.1)
    await_line(process, b"ready")
    process.send_signal(signal.SIGINT)
    assert end(process)[:2] == (0, b"")


def test_a_second_interrupt_kills(guest: Guest) -> None:
    process = guest.start("signals", "SIGINT", grace_seconds=3600)
    await_line(process, b"ready")
    process.send_signal(signal.SIGINT)
    await_line(process, b"SIGINT")
    process.send_signal(signal.SIGINT)
    assert end(process)[:2] == (128 + signal.SIGKILL, b"")


def test_a_guest_receives_each_signal_and_decides_how_it_ends(guest: Guest) -> None:
    process = guest.start("signals", *FORWARDED)
    await_line(process, b"ready")
    for name in FORWARDED:
        process.send_signal(getattr(signal, name))
        await_line(process, name.encode())
    assert end(process) == (7, b"", b"")


def test_death_by_a_forwarded_signal_is_128_and_its_number(guest: Guest) -> None:
    processes = {name: guest.start("signals") for name in FORWARDED}
    for name, process in processes.items():
        await_line(process, b"ready")
        process.send_signal(getattr(signal, name))
    found = {name: end(process) for name, process in processes.items()}
    assert found == {name: (128 + getattr(signal, name), b"", b"") for name in FORWARDED}


def test_a_signal_during_the_start_of_the_guest_is_not_lost(guest: Guest) -> None:
    words = ("signals", "SIGUSR1", "SIGHUP", "SIGUSR1", "SIGUSR2")  # unique to this test
    process = guest.start(*words)
    while not first_process_of(*words):
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGTERM)
    status, _, errors = end(process)
    assert (status, errors) == (128 + signal.SIGTERM, b"")


def first_process_of(*words: str) -> bool:
    """Return whether the first process of a guest with these arguments exists, ready or not."""
    wanted = b"\0".join(word.encode() for word in ("/app/app.py", *words)) + b"\0"
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdecimal() and Path(f"/proc/{name}/cmdline").read_bytes().endswith(wanted):
                return True
    return False


def test_the_handlers_of_the_script_are_restored(guest: Guest) -> None:
    done = guest.run("status", "3", env={"CALL": "handlers"})
    assert done.stdout == b"left with 3, handlers restored: True\n", done.stderr
    assert done.returncode == 0


def test_a_call_from_another_thread_ends_the_process_with_the_status(guest: Guest) -> None:
    done = guest.run("leave", "3", env={"CALL": "thread"})
    assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"")


BUILDING = """\
from buildr import Containerize

@Containerize(package={"dockerfile": "Slowly", "verbose": True})
def main():
    print("never")

main()
"""


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_during_a_build_ends_it_and_leaves_nothing(
    engine: Engine, project: Path, number: int, status: int
) -> None:
    (project / "app.py").write_text(BUILDING)
    (project / "Slowly").write_text(
        f"FROM {engine.base_image}\nRUN echo step has begun && exec sleep 7200\n"
    )
    give(engine, project)
    before = engine.containers()
    process = engine.popen(sys.executable, "app.py", cwd=project)
    assert process.stderr is not None
    # Live: a log that only arrives at the end of the build would never be seen.
    seen = b""
    while b"step has begun" not in (line := process.stderr.readline()) or b"RUN" in line:
        assert line, seen
        seen += line
    process.send_signal(number)
    found, output, errors = end(process)
    assert (found, output) == (status, b""), errors
    assert b"Traceback" not in errors
    assert sorted(os.listdir(project)) == ["Slowly", "app.py"]
    # Docker ends a step and removes its container once it notices that the client has gone.
    deadline = time.monotonic() + SECONDS
    while (
        engine.containers() - before
    ):  # each iteration runs an engine command, so this is not a busy loop
        assert time.monotonic() < deadline, engine.cli("ps", "--all")
