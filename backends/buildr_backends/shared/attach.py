"""The attached streams of a container: one hijacked connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from buildr.errors import EngineLostError
from buildr.host.signals import block_signals
from buildr_backends.shared.frames import FrameDecoder, RawDecoder

if TYPE_CHECKING:
    from buildr.engines.streams import Output
    from buildr_backends.http.client import Client
    from buildr_backends.http.endpoint import Connection
    from buildr_backends.http.response import Response

_BUFFER = 1 << 18  # bytes; larger ones gain nothing, smaller ones cost system calls


class HijackedStreams:
    """A `buildr.engines.streams.Attachment` over a connection that an engine has handed over.

    Args:
        connection: the connection.
        early: bytes that arrived after the head of the answer.
        framed: whether the output comes in frames.
    """

    def __init__(self, connection: Connection, early: bytes, *, framed: bool) -> None:
        connection.settimeout(None)
        self._socket = connection
        self._closed = False
        self._early = early
        self._decoder: FrameDecoder | RawDecoder = FrameDecoder() if framed else RawDecoder()
        self._buffer = memoryview(bytearray(_BUFFER))

    def read(self) -> Output:
        """Wait for output; see `buildr.engines.streams.Attachment.read`."""
        if self._decoder.failure is not None:
            raise self._decoder.failure
        while True:
            if self._early:
                data, self._early = memoryview(self._early), b""
            else:
                try:
                    count = self._socket.recv_into(self._buffer)
                except OSError as error:
                    raise EngineLostError(f"the container's output broke off: {error}") from None
                if self._closed:
                    raise EngineLostError("the container's output was closed")
                if not count:
                    self._decoder.finish()
                    return ()
                data = self._buffer[:count]
            if pieces := self._decoder.feed(data):
                return pieces

    def write(self, data: bytes | memoryview) -> None:
        """Send standard input; see `buildr.engines.streams.Attachment.write`."""
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise EngineLostError(f"the container's input broke off: {error}") from None

    def drain(self) -> None:
        """Discard all output, until the end of the stream or until it is closed."""
        with contextlib.suppress(OSError):
            while self._socket.recv_into(self._buffer) and not self._closed:
                pass

    def close_write(self) -> None:
        """End standard input; see `buildr.engines.streams.Attachment.close_write`."""
        with contextlib.suppress(OSError):  # the other end may be gone already
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close; see `buildr.engines.streams.Attachment.close`."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes a reader in another thread
        self._socket.close()


class ResponseStreams:
    """A read-only `buildr.engines.streams.Attachment`: the body of an answer with logs."""

    def __init__(self, response: Response, *, framed: bool) -> None:
        self._response = response
        self._chunks = response.chunks()
        self._decoder: FrameDecoder | RawDecoder = FrameDecoder() if framed else RawDecoder()

    def read(self) -> Output:
        """Wait for output; see `buildr.engines.streams.Attachment.read`."""
        if self._decoder.failure is not None:
            raise self._decoder.failure
        for chunk in self._chunks:
            if pieces := self._decoder.feed(memoryview(chunk)):
                return pieces
        self._decoder.finish()
        return ()

    def write(self, data: bytes | memoryview) -> None:
        """Refuse: logs take no input."""
        raise EngineLostError(f"the logs of a container take no input ({len(data)} bytes)")

    def close_write(self) -> None:
        """Do nothing: logs take no input."""

    def close(self) -> None:
        """Close; see `buildr.engines.streams.Attachment.close`."""
        self._response.close()


class SplitStreams:
    """An `buildr.engines.streams.Attachment` whose input takes a connection of its own.

    Args:
        output: where output is read from.
        input_: where input goes. Output comes from it too, and is discarded: unread, it would stop everything.
    """

    def __init__(self, output: HijackedStreams, input_: HijackedStreams) -> None:
        self._output = output
        self._input = input_
        threading.Thread(target=self._drain, name="buildr-drain", daemon=True).start()

    def read(self) -> Output:
        """Wait for output; see `buildr.engines.streams.Attachment.read`."""
        return self._output.read()

    def write(self, data: bytes | memoryview) -> None:
        """Send standard input; see `buildr.engines.streams.Attachment.write`."""
        self._input.write(data)

    def close_write(self) -> None:
        """End standard input; see `buildr.engines.streams.Attachment.close_write`."""
        self._input.close_write()

    def close(self) -> None:
        """Close; see `buildr.engines.streams.Attachment.close`."""
        self._input.close()
        self._output.close()

    def _drain(self) -> None:
        block_signals()
        self._input.drain()


def attach(client: Client, path: str, *, tty: bool) -> HijackedStreams:
    """Attach to all three streams of a container.

    Args:
        client: of the engine.
        path: of the attach request.
        tty: whether the container has a terminal: its output is not framed then.
    """
    query = dict.fromkeys(("stream", "stdin", "stdout", "stderr"), "1")
    response = client.upgrade(path, query=query)
    connection, early = response.hijack()
    return HijackedStreams(connection, early, framed=not tty)


def attach_split(client: Client, path: str) -> SplitStreams:
    """Attach to all three streams of a container without a terminal, with two connections."""
    output = attach(client, path, tty=False)
    try:
        return SplitStreams(output, attach(client, path, tty=False))
    except BaseException:
        output.close()
        raise
