"""Attached streams over a real socket."""

from __future__ import annotations

import socket
import threading
from queue import Queue
from typing import TYPE_CHECKING

import pytest

from buildr.backend import STDERR, STDOUT
from buildr.errors import EngineError, EngineLostError
from buildr_backends._attach import (
    HijackedStreams,
    ResponseStreams,
    SplitStreams,
    attach,
    attach_split,
)
from tests.unit.backends.server import Peer, Server, always, answer_json, hanging
from tests.unit.backends.test_frames import frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildr.backend import Attachment
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
    """Read in a thread; tell what it got, and the error that ended it."""
    found: list[object] = []

    def read() -> None:
        try:
            found.extend(everything(streams))
        except EngineLostError as error:
            found.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    return thread, found


def test_early_output_comes_first(ends: tuple[socket.socket, socket.socket]) -> None:
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


def test_an_end_inside_a_frame_is_no_end(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(frame(STDOUT, b"half of it")[:-3])
    theirs.close()
    streams = HijackedStreams(ours, b"", framed=True)
    assert streams.read()
    with pytest.raises(EngineLostError, match="middle of a frame"):
        streams.read()


def test_output_before_garbage_comes_out_and_then_the_error(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    theirs.sendall(frame(STDOUT, b"good") + b"no frame at all")
    streams = HijackedStreams(ours, b"", framed=True)
    assert [bytes(data) for _, data in streams.read()] == [b"good"]
    with pytest.raises(EngineLostError, match="not in frames"):
        streams.read()


def test_input_ends_while_output_goes_on(ends: tuple[socket.socket, socket.socket]) -> None:
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


def test_input_that_nobody_reads_is_an_error(ends: tuple[socket.socket, socket.socket]) -> None:
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
    # Whether or not the output was there first: this is no end of the streams.
    assert isinstance(found[-1], EngineLostError)


def test_a_closed_attachment_does_not_seem_to_have_ended(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    streams = HijackedStreams(ends[0], b"", framed=True)
    streams.close()
    with pytest.raises(EngineLostError):
        streams.read()


def test_attaching_asks_for_all_three_streams(serve: Serve) -> None:
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


def test_attaching_to_what_is_not_there(serve: Serve) -> None:
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


def test_logs_take_no_input(serve: Serve) -> None:
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


# Input by a connection of its own -----------------------------------------------------------------


def split(serve: Serve) -> tuple[SplitStreams, Server, Queue[bytes]]:
    """Attach to a guest that says hi; what it hears as its input, up to the end of it, comes through the queue."""
    heard: Queue[bytes] = Queue()

    def container(peer: Peer) -> None:
        peer.request()
        first = len(peer.requests) == 1
        peer.say(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n", frame(STDOUT, b"hi"))
        said = peer.hear()
        if not first:
            heard.put(said)

    server = serve(container)
    return attach_split(server.client(), "/containers/x/attach"), server, heard


def test_without_input_there_is_one_connection(serve: Serve) -> None:
    streams, server, _ = split(serve)
    assert [(number, bytes(data)) for number, data in streams.read()] == [(STDOUT, b"hi")]
    streams.close()
    assert len(server.requests) == 1


def test_input_and_its_end_go_by_a_second_one(serve: Serve) -> None:
    streams, server, heard = split(serve)
    streams.write(b"one")
    streams.write(b"two")
    streams.close_write()
    assert heard.get(timeout=10) == b"onetwo"
    assert len(server.requests) == 2
    streams.close()


def test_an_end_of_input_alone_reaches_the_guest(serve: Serve) -> None:
    streams, _, heard = split(serve)
    streams.close_write()
    assert heard.get(timeout=10) == b""
    streams.close()


def test_after_letting_go_no_connection_is_opened(serve: Serve) -> None:
    streams, server, _ = split(serve)
    streams.close()
    with pytest.raises(EngineLostError, match="let go"):
        streams.write(b"x")
    streams.close_write()
    assert len(server.requests) == 1


def test_a_guest_that_has_ended_takes_no_input(serve: Serve) -> None:
    def container(peer: Peer) -> None:
        peer.request()
        if len(peer.requests) == 1:
            peer.say(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n")
        else:
            peer.say(b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n")

    streams = attach_split(serve(container).client(), "/containers/x/attach")
    with pytest.raises(EngineLostError, match="takes no input"):
        streams.write(b"x")
    streams.close_write()
    streams.close()
