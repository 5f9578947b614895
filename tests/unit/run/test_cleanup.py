"""Leftovers are distinguished from live runs, and they alone are removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from buildr import labels
from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec
from buildr.errors import EngineError
from buildr.host.process import start_time
from buildr.run.cleanup import end_run, sweep
from buildr.testing import FakeBackend, FakeContainer


def labels_of_a_dead_process() -> dict[str, str]:
    """Return labels as a process that has ended since would have given them."""
    code = "from buildr.engines import ownership; print(ownership.labels(1))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, str] = eval(done.stdout)  # noqa: S307 - what we printed ourselves
    return found


def create(backend: FakeBackend, given: dict[str, str]) -> str:
    image = backend.add_image("localhost/test:latest")
    return backend.create(ownership.signed(ContainerSpec(image=image.id, labels=given)))


def test_a_container_of_an_ended_process_is_a_leftover() -> None:
    assert ownership.is_left_behind(labels_of_a_dead_process())


def test_a_container_of_a_live_process_is_not_a_leftover() -> None:
    assert not ownership.is_left_behind(ownership.labels(1))


def test_a_recycled_pid_counts_as_ended() -> None:
    reused = ownership.labels(1) | {labels.STARTED: "1"}
    assert ownership.is_left_behind(reused)


def test_processes_of_an_earlier_boot_have_ended() -> None:
    assert ownership.is_left_behind(ownership.labels(1) | {labels.BOOT: "another"})


@pytest.mark.parametrize(
    "doubt",
    [
        {labels.UID: "4242"},
        {labels.NAMESPACE: "1"},
        {labels.RUN: ""},
        {labels.PID: ""},
        {labels.PID: "-1"},
        {labels.STARTED: ""},
        {labels.BOOT: ""},
    ],
    ids=lambda doubt: next(iter(doubt)),
)
def test_doubtful_containers_are_kept(doubt: dict[str, str]) -> None:
    assert not ownership.is_left_behind(labels_of_a_dead_process() | doubt)


def test_the_start_time_is_read_after_any_process_name() -> None:
    odd = subprocess.Popen(
        [sys.executable, "-c", "open('/proc/self/comm','w').write('a) R 1 2'); print(); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with odd:
        assert odd.stdout is not None
        odd.stdout.readline()
        assert start_time(str(odd.pid)).isdecimal()
        odd.kill()
    assert start_time(str(odd.pid)) == ""


def test_a_sweep_removes_only_leftovers() -> None:
    backend = FakeBackend()
    dead = create(backend, labels_of_a_dead_process())
    live = create(backend, ownership.labels(1))
    foreign = create(backend, {"somebody": "else"})
    assert sweep(backend) == 1
    assert backend.state(dead) is None
    assert backend.runs[0].volumes_removed
    assert backend.state(live) is not None
    assert backend.state(foreign) is not None


def test_a_sweep_continues_after_a_failed_removal() -> None:
    backend = FakeBackend()
    for _ in range(2):
        create(backend, labels_of_a_dead_process())
    backend.fail("remove", EngineError("busy"))
    assert sweep(backend) == 1
    assert sweep(backend) == 1


def test_the_end_of_a_run_is_graceful() -> None:
    ready = threading.Event()
    seen: list[int] = []

    def guest(container: FakeContainer) -> int:
        container.signals.catch(signal.SIGTERM)
        ready.set()
        seen.append(container.signals.wait())
        return 0

    backend = FakeBackend(guest)
    given = ownership.labels(1)
    container = create(backend, given)
    backend.start(container)
    ready.wait()
    end_run(backend, given[labels.RUN], grace_seconds=60)
    assert seen == [signal.SIGTERM]
    assert backend.state(container) is None


def test_a_guest_that_ignores_the_signal_is_killed_after_the_grace() -> None:
    ready = threading.Event()

    def guest(container: FakeContainer) -> int:
        container.signals.ignore(signal.SIGTERM)
        ready.set()
        return container.signals.wait()

    backend = FakeBackend(guest)
    given = ownership.labels(1)
    container = create(backend, given)
    backend.start(container)
    ready.wait()
    end_run(backend, given[labels.RUN], grace_seconds=0)
    assert backend.state(container) is None


def test_other_runs_are_not_touched() -> None:
    backend = FakeBackend()
    other = create(backend, ownership.labels(1))
    end_run(backend, "a run that is not there", grace_seconds=0)
    assert backend.state(other) is not None
    assert ownership.labels(1)[labels.UID] == str(os.getuid())


def test_all_containers_of_a_run_share_one_grace_period() -> None:
    ready, together = threading.Semaphore(0), threading.Barrier(2)

    def guest(container: FakeContainer) -> int:
        container.signals.catch(signal.SIGTERM)
        ready.release()
        container.signals.wait()
        together.wait()
        return 3

    backend = FakeBackend(guest)
    given = ownership.labels(1)
    for _ in range(2):
        backend.start(create(backend, given))
    for _ in range(2):
        ready.acquire()
    assert end_run(backend, given[labels.RUN], grace_seconds=5) == {r.id for r in backend.runs}
    assert [(run.exit_code, run.removed) for run in backend.runs] == [(3, True)] * 2
    assert all(run.volumes_removed for run in backend.runs)


def test_a_failed_removal_does_not_keep_other_containers() -> None:
    backend = FakeBackend()
    given = ownership.labels(1)
    for _ in range(2):
        create(backend, given)
    backend.fail("remove", EngineError("busy"))
    with pytest.raises(EngineError):
        end_run(backend, given[labels.RUN], grace_seconds=0)
    assert sorted(run.removed for run in backend.runs) == [False, True]
    end_run(backend, given[labels.RUN], grace_seconds=0)
    assert all(run.removed for run in backend.runs)
