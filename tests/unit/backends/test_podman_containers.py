"""What only Podman's containers need: separate connections for input and output, and waiting for one that is just ending."""

from __future__ import annotations

from queue import Queue

import pytest

from buildr.engines.records import EngineInfo
from buildr.engines.streams import STDOUT
from buildr.errors import ContainerError, EngineError
from buildr_backends.podman.engine import Podman
from tests.unit.backends.server import Peer, Server, always, answer, answer_json, hanging
from tests.unit.backends.test_frames import frame

OPEN = b"HTTP/1.1 200 OK\r\n\r\n"
ENDING = answer_json({"message": "sending KILL: container state improper: stopped"}, 500)


def podman(server: Server) -> Podman:
    info = EngineInfo(
        backend="podman",
        version="4.3.1",
        rootless=True,
        remote=False,
        endpoint=server.endpoint.url,
        found="a test",
    )
    return Podman(server.client(), info)


def test_input_goes_where_no_output_is_read() -> None:
    heard: Queue[bytes] = Queue()

    def input_(peer: Peer) -> None:
        peer.request()
        # It is read all the same, or Podman would stop, and dropped.
        peer.say(OPEN, frame(STDOUT, b"hello" * 100_000))
        heard.put(peer.hear())

    with Server(hanging(OPEN, frame(STDOUT, b"hello")), input_) as server:
        streams = podman(server).attach("c", tty=False)
        streams.write(b"some input")
        streams.close_write()
        assert heard.get(timeout=60) == b"some input"
        assert [(n, bytes(data)) for n, data in streams.read()] == [(STDOUT, b"hello")]
        streams.close()


def test_a_terminal_needs_one_connection() -> None:
    with Server(hanging(OPEN)) as server:
        podman(server).attach("c", tty=True).close()
        assert server.connections == 1


@pytest.mark.parametrize("tty", [False, True])
def test_a_port_that_is_taken_already_shows_when_the_streams_are_opened(tty: bool) -> None:
    taken = answer_json({"message": "listen tcp 127.0.0.1:80: bind: address already in use"}, 500)
    with (
        Server(always(taken)) as server,
        pytest.raises(ContainerError, match="choose another host port"),
    ):
        podman(server).attach("c", tty=tty)


def test_a_failed_second_connection_closes_the_first() -> None:
    with (
        Server(hanging(OPEN), always(answer_json({"message": "no"}, 500))) as server,
        pytest.raises(ContainerError),
    ):
        podman(server).attach("c", tty=False)


def test_a_container_that_is_just_ending_is_removed_when_it_has_ended() -> None:
    with Server(always(ENDING, answer(200, b"0"), answer(204))) as server:
        podman(server).remove("c")
        assert [(r.method, r.path) for r in server.requests] == [
            ("DELETE", "/containers/c"),
            ("POST", "/containers/c/wait"),
            ("DELETE", "/containers/c"),
        ]


def test_any_other_refusal_of_a_removal_is_an_error() -> None:
    with (
        Server(always(answer_json({"message": "storage is read-only"}, 500))) as server,
        pytest.raises(EngineError, match="read-only"),
    ):
        podman(server).remove("c")
