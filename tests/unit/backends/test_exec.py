"""Commands in a container: the requests, and separating the engine's messages from output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildr.engines.records import CommandSpec
from buildr.engines.streams import STDERR, STDOUT
from buildr.errors import CommandNotFoundError, ContainerError, NotExecutableError
from buildr_backends.shared.exec import execute
from tests.unit.backends.server import answer_json
from tests.unit.backends.test_frames import frame

if TYPE_CHECKING:
    from buildr.errors import BuildrError
    from tests.unit.backends.conftest import Serve
    from tests.unit.backends.server import Peer, Server

UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n"
NOISE = b"Error: write unixpacket @->/proc/self/fd/15/attach: write: connection reset by peer\n"
MISSING = (
    b'Error: runc: exec failed: exec: "x": executable file not found in $PATH:'
    b" OCI runtime attempted to invoke a command that was not found\n"
)


def engine(serve: Serve, status: int, *pieces: bytes) -> Server:
    """Serve one command with this output and status."""

    def script(peer: Peer) -> None:
        while True:
            path = peer.request().path
            if path.endswith("/start"):
                peer.say(UPGRADED + b"".join(pieces))
                return
            found = {"Id": "e", "Running": False, "ExitCode": status}
            peer.say(answer_json(found))

    return serve(script)


def output(server: Server) -> list[tuple[int, bytes]]:
    streams = execute(server.client(), "c", CommandSpec(command=("x",)))
    found = []
    try:
        while pieces := streams.read():
            found += [(stream, bytes(data)) for stream, data in pieces]
    finally:
        streams.close()
    return found


def test_all_settings_of_the_command_reach_the_engine(serve: Serve) -> None:
    server = engine(serve, 0)
    spec = CommandSpec(
        command=("a", "b c"), environment={"A": "1"}, workdir="/w", user="0", stdin=False
    )
    execute(server.client("/v1.41"), "c", spec).close()
    created, started = server.requests
    assert created.target == "/v1.41/containers/c/exec"
    assert created.json["Cmd"] == ["a", "b c"]
    assert created.json["Env"][0] == "A=1"
    assert (created.json["WorkingDir"], created.json["User"]) == ("/w", "0")
    assert (created.json["AttachStdin"], created.json["Tty"]) == (False, False)
    assert (started.target, started.json) == (
        "/v1.41/exec/e/start",
        {"Detach": False, "Tty": False},
    )


@pytest.mark.parametrize(
    ("words", "stream", "status", "error"),
    [
        (MISSING, STDERR, 127, CommandNotFoundError),
        (b"Error: runc: exec failed: OCI permission denied\n", STDERR, 126, NotExecutableError),
        (
            b'OCI runtime exec failed: exec: "x": executable file not found in $PATH: unknown\r\n',
            *(STDOUT, 126, CommandNotFoundError),
        ),
        (
            b'OCI runtime exec failed: exec: "x": permission denied: unknown\r\n',
            *(STDOUT, 126, NotExecutableError),
        ),
        (b"unable to find user x: no matching entries\r\n", STDOUT, 126, ContainerError),
    ],
)
@pytest.mark.parametrize("noise", [b"", frame(STDERR, NOISE)])
def test_the_message_about_a_command_that_cannot_start_is_an_error(
    serve: Serve, words: bytes, stream: int, status: int, error: type[BuildrError], noise: bytes
) -> None:
    with pytest.raises(error):
        output(engine(serve, status, frame(stream, words), noise))


def test_the_same_text_from_a_running_command_is_output(serve: Serve) -> None:
    assert output(engine(serve, 0, frame(STDERR, MISSING))) == [(STDERR, MISSING)]
    later = (frame(STDOUT, b"first"), frame(STDERR, MISSING))
    assert output(engine(serve, 127, *later)) == [(STDOUT, b"first"), (STDERR, MISSING)]


def test_podman_s_message_about_unread_input_is_a_warning_rather_than_output(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    pieces = (frame(STDOUT, b"out"), frame(STDERR, NOISE))
    assert output(engine(serve, 0, *pieces)) == [(STDOUT, b"out")]
    assert "may have lost the end of its output" in capfd.readouterr().err
    # In the middle of output it belongs to the command.
    own = (frame(STDERR, NOISE), frame(STDOUT, b"out"))
    assert output(engine(serve, 0, *own)) == [(STDERR, NOISE), (STDOUT, b"out")]
    assert capfd.readouterr().err == ""
