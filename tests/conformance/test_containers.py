"""Containers from their creation to their removal."""

from __future__ import annotations

import signal
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest

from buildr.engines.container_spec import ContainerSpec
from buildr.errors import (
    CommandNotFoundError,
    ContainerError,
    EngineError,
    ImageNotFoundError,
    NotExecutableError,
)
from tests.conformance.judged import LABEL, archive, collect, unpacked
from tests.conformance.test_streams import await_word

if TYPE_CHECKING:
    from buildr.engines.protocol import Backend
    from tests.conformance.judged import Containers


def test_a_container_is_created_started_awaited_and_removed(
    backend: Backend, containers: Containers
) -> None:
    made = containers.create("sh", "-c", "read line; exit 5")
    state = backend.state(made)
    assert state is not None
    assert (state.id, state.running, state.started, state.exit_code) == (made, False, False, None)
    assert backend.processes(made) == 0
    streams = backend.attach(made, tty=False)
    backend.start(made)
    state = backend.state(made)
    assert state is not None
    assert (state.running, state.started, state.exit_code) == (True, True, None)
    assert backend.processes(made) >= 1
    streams.write(b"go\n")
    collect(streams)
    streams.close()
    assert [backend.wait(made), backend.wait(made)] == [5, 5]
    state = backend.state(made)
    assert state is not None
    assert (state.running, state.exit_code) == (False, 5)
    backend.remove(made)
    backend.remove(made)  # removing an absent one is not an error
    assert backend.state(made) is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1])
def test_death_by_a_signal_is_128_and_its_number(
    backend: Backend, containers: Containers, number: int
) -> None:
    # The first process only receives signals that it handles, except SIGKILL.
    program = (
        "import os, signal, sys; [signal.signal(n, lambda n, f: os._exit(128 + n)) for n in (10, 15)];"
        "print('ready', flush=True); signal.pause()"
    )
    made, streams = containers.start("python3", "-c", program)
    await_word(streams, b"ready")
    backend.kill(made, number)
    collect(streams)
    streams.close()
    assert backend.wait(made) == 128 + number
    backend.kill(made, number)  # it has exited, which is not an error


def test_stop_sends_sigterm_and_prevents_a_restart(
    backend: Backend, containers: Containers
) -> None:
    program = (
        "import signal, sys; signal.signal(15, lambda *_: sys.exit(3));"
        "print('ready', flush=True); signal.pause()"
    )
    spec = ContainerSpec(image=containers.image, restart="always")
    made, streams = containers.start("python3", "-c", program, spec=spec)
    await_word(streams, b"ready")
    backend.stop(made, 60)
    state = backend.state(made)
    assert state is not None
    assert (state.running, state.exit_code) == (False, 3)
    backend.stop(made, 60)  # it has exited, which is not an error
    backend.remove(made)
    backend.stop(made, 60)  # nor is an absent one


def test_a_running_container_that_ignores_signals_is_removed(
    backend: Backend, containers: Containers
) -> None:
    made, streams = containers.start(
        "sh", "-c", "trap '' TERM INT; echo ready; while :; do sleep 1; done"
    )
    await_word(streams, b"ready")
    backend.remove(made)
    streams.close()
    assert backend.state(made) is None


def test_containers_are_listed_by_all_their_labels_including_exited_ones(
    backend: Backend, containers: Containers, unique: str
) -> None:
    ended = containers.create("true", spec=containers.spec(labels={"unique": unique, "n": "1"}))
    backend.start(ended)
    backend.wait(ended)
    created = containers.create("true", spec=containers.spec(labels={"unique": unique, "n": "2"}))

    def found(**wanted: str) -> set[str]:
        listed = backend.containers({"unique": unique, **wanted})
        assert all(
            state.labels["unique"] == unique and state.labels[LABEL] == "1" for state in listed
        )
        return {state.id for state in listed}

    assert found() == {ended, created}
    assert found(n="") == {ended, created}
    assert found(n="2") == {created}
    assert found(n="3") == set()


def test_a_container_that_cannot_be_created_is_reported(
    backend: Backend, containers: Containers, unique: str
) -> None:
    with pytest.raises(ImageNotFoundError):
        backend.create(ContainerSpec(image="sha256:" + "0" * 64, command=("true",)))
    containers.create("true", spec=containers.spec(name=unique))
    with pytest.raises((ContainerError, EngineError)):
        containers.create("true", spec=containers.spec(name=unique))


@pytest.mark.parametrize(
    ("command", "error"),
    [("no-such-command", CommandNotFoundError), ("/etc/passwd", NotExecutableError)],
)
def test_a_command_that_cannot_start_is_reported(
    containers: Containers, command: str, error: type[Exception]
) -> None:
    made = containers.create(command)
    with pytest.raises(error):
        containers.refuse(made)


def test_files_are_copied_in_and_out(backend: Backend, containers: Containers) -> None:
    made = containers.create("sh", "-c", "cat /data/in/file && echo out >/data/out")
    folder = tarfile.TarInfo("in")
    folder.type, folder.mode = tarfile.DIRTYPE, 0o755
    backend.put_archive(made, "/data", archive({"in": folder, "in/file": b"from outside"}))
    streams = backend.attach(made, tty=False)
    backend.start(made)
    assert collect(streams) == (b"from outside", b"")
    streams.close()
    backend.wait(made)
    assert unpacked(backend.get_archive(made, "/data/out")) == {"out": b"out\n"}
    found = unpacked(backend.get_archive(made, "/data/in"))
    assert found["in/file"] == b"from outside"
    entry = found["in"]
    assert isinstance(entry, tarfile.TarInfo)
    assert stat.S_IMODE(entry.mode) == 0o755
    with pytest.raises(EngineError):
        b"".join(backend.get_archive(made, "/no/such/path"))
    assert {"/data/in/file", "/data/out"} <= set(backend.changed(made))
    assert not any(path.startswith("/usr") for path in backend.changed(made))
