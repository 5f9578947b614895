"""A gRPC server on one connection: requests arrive over HTTP/2, and a `Call` answers each.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, Protocol

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RequestReceived,
    StreamReset,
)
from h2.exceptions import ProtocolError

from buildr.host.limits import SESSION_MESSAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from buildr_backends.http.endpoint import Connection

OK, NOT_FOUND, UNIMPLEMENTED, INTERNAL = 0, 5, 12, 13
"""Statuses of gRPC."""

_BUFFER = 1 << 16
_PLAIN = 0
_PREFIX = struct.Struct(">BI")  # whether it is compressed, and how long


class RefusedError(Exception):
    """A request that is answered by an error.

    Args:
        status: of gRPC.
        message: for the other side's log.
    """

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status = status


class Call(Protocol):
    """One request. Its messages are sent in order, as fast as the other side accepts them."""

    def start(self) -> Iterable[bytes]:
        """Return the messages to send immediately."""
        ...

    def message(self, data: bytes) -> Iterable[bytes]:
        """Take a message; return those that answer it.

        Raises:
            RefusedError: the request is answered by an error.
        """
        ...

    @property
    def done(self) -> bool:
        """Whether nothing more will be sent after the messages so far."""
        ...


class _Stream:
    """A request that is being answered."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.coming = bytearray()
        self.going: deque[Iterator[bytes]] = deque([iter(call.start())])
        self.rest = b""  # of a message that is being sent

    def messages(self, data: bytes) -> Iterator[bytes]:
        """Yield the messages that have arrived whole."""
        self.coming += data
        while len(self.coming) >= _PREFIX.size:
            _, size = _PREFIX.unpack_from(self.coming)
            if size > SESSION_MESSAGE:
                raise RefusedError(INTERNAL, "a message that is too long")
            end = _PREFIX.size + size
            if len(self.coming) < end:
                return
            yield bytes(self.coming[_PREFIX.size : end])
            del self.coming[:end]

    def has_more(self) -> bool:
        """Whether there is something to send; the next message is started if necessary."""
        while not self.rest and self.going:
            message = next(self.going[0], None)
            if message is None:
                self.going.popleft()
            else:
                self.rest = _PREFIX.pack(_PLAIN, len(message)) + message
        return bool(self.rest)


class GrpcServer:
    """Serves one connection until it ends.

    Args:
        connection: handed over by the engine.
        early: bytes that have already arrived on it.
        answer: returns the `Call` for a request, given its path and its other headers.
    """

    def __init__(
        self,
        connection: Connection,
        early: bytes,
        answer: Callable[[str, Mapping[str, str]], Call],
    ) -> None:
        self._connection = connection
        self._early = early
        self._answer = answer
        self._streams: dict[int, _Stream] = {}
        self._h2 = H2Connection(H2Configuration(client_side=False))

    def serve(self) -> None:
        """Answer requests until the other side closes the connection.

        Raises:
            OSError: the connection broke.
        """
        self._h2.initiate_connection()
        data = self._early
        try:
            while True:
                if data and not self._receive(data):
                    return
                self._send()
                data = self._connection.recv(_BUFFER)
                if not data:
                    return
        except ProtocolError:
            return  # the other side notices when the connection is closed

    def _receive(self, data: bytes) -> bool:
        """Process received bytes; return whether the connection continues."""
        for event in self._h2.receive_data(data):
            if isinstance(event, RequestReceived):
                self._open(event.stream_id, {_text(k): _text(v) for k, v in event.headers})
            elif isinstance(event, DataReceived):
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                self._take(event.stream_id, event.data)
            elif isinstance(event, StreamReset):
                self._streams.pop(event.stream_id, None)
            elif isinstance(event, ConnectionTerminated):
                return False
        return True

    def _open(self, stream_id: int, headers: dict[str, str]) -> None:
        reply = [(":status", "200"), ("content-type", "application/grpc")]
        self._h2.send_headers(stream_id, reply)
        try:
            self._streams[stream_id] = _Stream(self._answer(headers.pop(":path", ""), headers))
        except RefusedError as refused:
            self._end(stream_id, refused.status, str(refused))

    def _take(self, stream_id: int, data: bytes) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        try:
            for message in stream.messages(data):
                stream.going.append(iter(stream.call.message(message)))
        except RefusedError as refused:
            self._end(stream_id, refused.status, str(refused))

    def _end(self, stream_id: int, status: int, message: str = "") -> None:
        self._streams.pop(stream_id, None)
        trailers = [("grpc-status", str(status))]
        if message:
            trailers.append(("grpc-message", message))
        self._h2.send_headers(stream_id, trailers, end_stream=True)

    def _send(self) -> None:
        """Send pending data, as far as the other side's windows allow."""
        while True in [self._send_piece(*found) for found in list(self._streams.items())]:
            self._flush()
        self._flush()

    def _send_piece(self, stream_id: int, stream: _Stream) -> bool:
        """Send something of one stream; return whether there may be more."""
        try:
            if not stream.has_more():
                if stream.call.done:
                    self._end(stream_id, OK)
                return False
            room = self._h2.local_flow_control_window(stream_id)
            size = min(room, self._h2.max_outbound_frame_size, len(stream.rest))
            if size <= 0:
                return False
            self._h2.send_data(stream_id, stream.rest[:size])
            stream.rest = stream.rest[size:]
        except RefusedError as refused:
            self._end(stream_id, refused.status, str(refused))
        return True

    def _flush(self) -> None:
        self._connection.sendall(self._h2.data_to_send())


def _text(part: bytes | str) -> str:
    """Return a part of a header, which may be any bytes."""
    return part.decode(errors="replace") if isinstance(part, bytes) else part
