"""The three streams of a container and of a command in it: exact, separate, and complete."""

from __future__ import annotations

import contextlib
import hashlib
import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

from buildr.engines.records import CommandSpec
from buildr.engines.streams import STDOUT
from buildr.errors import CommandNotFoundError, NotExecutableError
from tests.conformance.judged import collect

if TYPE_CHECKING:
    from buildr.engines.protocol import Backend
    from buildr.engines.streams import Attachment
    from tests.conformance.judged import Containers

MEBIBYTE = 1 << 20
ECHO = "import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d); sys.stderr.buffer.write(d[::-1])"
SIZE = "import os, signal; signal.signal(28, lambda *_: print(*os.get_terminal_size(), flush=True)); print('ready', flush=True); [signal.pause() for _ in iter(int, 1)]"


def await_word(streams: Attachment, word: bytes) -> bytes:
    """Read standard output up to a word; return all that was read."""
    seen = b""
    while word not in seen:
        pieces = streams.read()
        assert pieces, seen
        seen += b"".join(bytes(piece) for stream, piece in pieces if stream == STDOUT)
    return seen


def test_no_output_of_a_short_container_is_lost(containers: Containers) -> None:
    for number in range(5):
        done = containers.run(
            "sh", "-c", f"echo out {number}; echo err {number} >&2; exit {number}"
        )
        wanted = (b"out %d\n" % number, b"err %d\n" % number, number)
        assert (done.output, done.errors, done.status) == wanted


def test_every_byte_arrives_in_both_directions(containers: Containers) -> None:
    data = hashlib.shake_128(b"noise").digest(MEBIBYTE)
    done = containers.run("python3", "-c", ECHO, stdin=data)
    assert done.output == data
    assert done.errors == data[::-1]
    assert done.status == 0


def test_without_input_there_is_none(containers: Containers) -> None:
    done = containers.run("cat", spec=containers.spec(stdin=False))
    assert (done.output, done.status) == (b"", 0)


def test_a_terminal_has_one_stream_and_a_size(backend: Backend, containers: Containers) -> None:
    made, streams = containers.start("python3", "-uc", SIZE, spec=containers.spec(tty=True))
    await_word(streams, b"ready")
    backend.resize(made, rows=33, columns=77)
    await_word(streams, b"77 33\r\n")
    backend.kill(made, signal.SIGKILL)
    collect(streams)
    streams.close()
    streams.close()  # a second time is not an error
    assert backend.wait(made) == 128 + signal.SIGKILL
    backend.resize(made, rows=33, columns=77)  # it has exited, which is not an error


def test_logs_can_be_read_after_the_end(backend: Backend, containers: Containers) -> None:
    made, streams = containers.start("sh", "-c", "echo one; echo two >&2; echo three")
    collect(streams)
    streams.close()
    backend.wait(made)
    logs = backend.logs(made)
    assert collect(logs) == (b"one\nthree\n", b"two\n")
    logs.close()
    logs = backend.logs(made, tail=1)
    assert b"".join(collect(logs)) in (b"three\n", b"two\n")  # they may swap within a millisecond
    logs.close()
    logs = backend.logs(made, timestamps=True)
    stamped = b"".join(collect(logs)).splitlines()
    assert len(stamped) == 3
    assert all(
        re.match(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d) \w+$", line)
        for line in stamped
    )
    logs.close()
    logs = backend.logs(made, since=time.time() + 3600)
    assert collect(logs) == (b"", b"")
    logs.close()
    logs = backend.logs(made, since=time.time() - 3600.5)
    assert collect(logs) == (b"one\nthree\n", b"two\n")
    logs.close()


def test_logs_are_followed_up_to_the_end(backend: Backend, containers: Containers) -> None:
    made, streams = containers.start("sh", "-c", "echo first; read line; echo $line")
    logs = backend.logs(made, follow=True)
    await_word(logs, b"first\n")
    streams.write(b"last\n")
    assert collect(logs)[0].endswith(b"last\n")
    logs.close()
    collect(streams)
    streams.close()


# Commands in a running container -----------------------------------------------------------------


@pytest.fixture
def running(containers: Containers) -> str:
    made, streams = containers.start(
        "sleep", "7200", spec=containers.spec(environment={"A": "container"})
    )
    streams.close()
    return made


def test_a_command_has_its_own_streams_and_status(backend: Backend, running: str) -> None:
    spec = CommandSpec(
        command=("sh", "-c", "cat; echo $A $PWD >&2; exit 7"),
        environment={"A": "own"},
        workdir="/tmp",
    )
    execution = backend.execute(running, spec)
    execution.write(b"through\n")
    execution.close_write()
    assert collect(execution) == (b"through\n", b"own /tmp\n")
    assert execution.status() == 7
    execution.close()
    state = backend.state(running)
    assert state is not None
    assert state.running


def test_a_killed_command_leaves_the_container_running(backend: Backend, running: str) -> None:
    execution = backend.execute(
        running, CommandSpec(command=("sh", "-c", "echo ready; exec sleep 7200"))
    )
    await_word(execution, b"ready")
    assert execution.status() is None
    assert backend.processes(running) >= 2
    execution.kill(signal.SIGTERM)
    collect(execution)
    assert execution.status() == 128 + signal.SIGTERM
    execution.kill(signal.SIGTERM)  # it has exited, which is not an error
    execution.close()


@pytest.mark.parametrize(
    ("command", "error"),
    [("no-such-command", CommandNotFoundError), ("/etc/passwd", NotExecutableError)],
)
def test_a_command_that_cannot_run_is_reported(
    backend: Backend, running: str, command: str, error: type[Exception]
) -> None:
    with (
        pytest.raises(error),
        contextlib.closing(backend.execute(running, CommandSpec(command=(command,)))) as execution,
    ):
        collect(execution)
