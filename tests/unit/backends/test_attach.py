"""Attached streams over a real socket."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from buildr.engines.streams import STDERR, STDOUT
from buildr.errors import EngineError, EngineLostError
from buildr_backends.shared.attach import HijackedStreams, ResponseStreams, attach
from tests.unit.backends.server import Peer, always, answer_json, hanging
from tests.unit.backends.test_frames import frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildr.engines.streams import Attachment
    from tests.unit.backends.conftest import Serve


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def everything(streams: Attachment) -> list[tuple[int, bytes]]:
    found = []
    while pieces := streams.read():
        found += [(stream, bytes(data)) for stream, data in pieces]
    return found


def in_thread(streams: Attachment) -> tuple[threading.Thread, list[object]]:
    """Read in a thread; return a function that returns the result and the error."""
    found: list[object] = []

    def read() -> None:
        try:
            found.extend(everything(streams))
        except EngineLostError as error:
            found.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    return thread, found


def test_early_output_is_read_first(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    data = frame(STDOUT, b"early") + frame(STDERR, b"late")
    theirs.sendall(data[10:])
    theirs.close()
    streams = HijackedStreams(ours, data[:10], framed=True)
    assert everything(streams) == [(STDOUT, b"ea"), (STDOUT, b"rly"), (STDERR, b"late")]


def test_a_terminal_has_no_frames(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(b"$ ")
    theirs.close()
    assert everything(HijackedStreams(ours, b"", framed=False)) == [(STDOUT, b"$ ")]


def test_an_end_inside_a_frame_is_an_error(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(frame(STDOUT, b"half of it")[:-3])
    theirs.close()
    streams = HijackedStreams(ours, b"", framed=True)
    assert streams.read()
    with pytest.raises(EngineLostError, match="middle of a frame"):
        streams.read()


def test_output_before_garbage_is_returned_before_the_error(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    theirs.sendall(frame(STDOUT, b"good") + b"no frame at all")
    streams = HijackedStreams(ours, b"", framed=True)
    assert [bytes(data) for _, data in streams.read()] == [b"good"]
    with pytest.raises(EngineLostError, match="not in frames"):
        streams.read()


def test_input_can_end_before_output(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    streams = HijackedStreams(ours, b"", framed=False)
    streams.write(b"abc")
    streams.write(memoryview(b"def"))
    streams.close_write()
    heard = b""
    while data := theirs.recv(100):
        heard += data
    theirs.sendall(heard.upper())
    theirs.close()
    assert everything(streams) == [(STDOUT, b"ABCDEF")]


def test_unread_input_is_an_error(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.close()
    streams = HijackedStreams(ours, b"", framed=False)
    with pytest.raises(EngineLostError, match="input broke off"):
        streams.write(b"abc")
    streams.close_write()


def test_closing_wakes_a_reader_in_another_thread(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    theirs.sendall(b"x")
    streams = HijackedStreams(ours, b"", framed=False)
    thread, found = in_thread(streams)
    streams.close()
    streams.close()
    thread.join(10)
    assert not thread.is_alive()
    # Whether or not the output was there first: this does not end the streams.
    assert isinstance(found[-1], EngineLostError)


def test_a_closed_attachment_has_not_ended(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    streams = HijackedStreams(ends[0], b"", framed=True)
    streams.close()
    with pytest.raises(EngineLostError):
        streams.read()


def test_attaching_requests_all_three_streams(serve: Serve) -> None:
    def container(peer: Peer) -> None:
        peer.request()
        peer.say(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n" + frame(STDOUT, b"hi"))

    server = serve(container)
    streams = attach(server.client("/v1.41"), "/containers/x/attach", tty=False)
    assert everything(streams) == [(STDOUT, b"hi")]
    streams.close()
    assert server.requests[0].target == (
        "/v1.41/containers/x/attach?stream=1&stdin=1&stdout=1&stderr=1"
    )


def test_an_engine_that_does_not_switch_protocols_is_understood(serve: Serve) -> None:
    def container(peer: Peer) -> None:
        peer.request()
        peer.say(b"HTTP/1.1 200 OK\r\nContent-Type: x\r\n\r\n" + frame(STDERR, b"hi"))

    streams = attach(serve(container).client(), "/containers/x/attach", tty=False)
    assert everything(streams) == [(STDERR, b"hi")]
    streams.close()


def test_attaching_to_a_missing_container(serve: Serve) -> None:
    client = serve(always(answer_json({"message": "no such container"}, 404))).client()
    with pytest.raises(EngineError, match="no such container"):
        attach(client, "/containers/x/attach", tty=False)


# Logs ---------------------------------------------------------------------------------------------


def logs(serve: Serve, script: Callable[[Peer], object]) -> ResponseStreams:
    response = serve(script).client().request("GET", "/logs", seconds=None)
    return ResponseStreams(response, framed=True)


def test_logs_are_read_to_their_end(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        data = frame(STDOUT, b"one") + frame(STDERR, b"two")
        peer.say(b"HTTP/1.1 200 OK\r\n\r\n", data[:5], data[5:])

    streams = logs(serve, script)
    assert everything(streams) == [(STDOUT, b"one"), (STDERR, b"two")]
    streams.close()


def test_logs_accept_no_input(serve: Serve) -> None:
    streams = logs(serve, hanging(b"HTTP/1.1 200 OK\r\n\r\n"))
    with pytest.raises(EngineLostError, match="take no input"):
        streams.write(b"x")
    streams.close_write()
    streams.close()


def test_closing_logs_wakes_a_reader_in_another_thread(serve: Serve) -> None:
    streams = logs(serve, hanging(b"HTTP/1.1 200 OK\r\n\r\n"))
    thread, found = in_thread(streams)
    streams.close()
    thread.join(10)
    assert not thread.is_alive()
    assert [type(one) for one in found] == [EngineLostError]
