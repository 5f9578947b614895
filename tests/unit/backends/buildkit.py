"""A fake BuildKit: like dockerd, it acts as a gRPC client on a session."""

from __future__ import annotations

import base64
import json
import struct
import threading
from typing import TYPE_CHECKING, NamedTuple

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, TrailersReceived, WindowUpdated

from buildr_backends.docker.buildkit.protobuf import decode, encode
from tests.unit.backends.server import Peer, answer, answer_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

FILES = "/moby.filesync.v1.FileSync/DiffCopy"
SECRET = "/moby.buildkit.secrets.v1.Secrets/GetSecret"  # noqa: S105 - the name of a method
LOGIN = "/moby.filesync.v1.Auth/Credentials"
HEALTH = "/grpc.health.v1.Health/Check"
STAT, REQUEST, DATA, FINISHED = range(4)
IMAGE = f"sha256:{'b' * 64}"


class Stat(NamedTuple):
    """A file in a list, by the fields of fsutil's Stat."""

    path: str
    mode: int
    size: int
    time: int
    link: str


class BuildKit:
    """The two connections of a build: `session` and `build` are scripts for a `Server`.

    Args:
        work: what to do in the session before the build's answer.
        documents: that answer.
    """

    def __init__(
        self, work: Callable[[BuildKit], object] = lambda _: None, documents: Iterable[object] = ()
    ) -> None:
        self.session_headers: list[tuple[str, str]] = []
        self.query: dict[str, str] = {}
        self._work = work
        self._documents = documents or [built()]
        self.over = threading.Event()
        self._ready = threading.Event()
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._coming: dict[int, bytearray] = {}
        self._status: dict[int, int] = {}
        self._ended: set[int] = set()

    def session(self, peer: Peer) -> None:
        """Accept the session, and hold it until the client ends it."""
        request = peer.request()
        assert (request.method, request.path) == ("POST", "/v1.41/session")
        assert request.headers["upgrade"] == "h2c"
        self.session_headers = list(request.headers.items())
        peer.say(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        self._peer = peer
        self._h2.initiate_connection()
        self._flush()
        self._ready.set()
        self.over.wait(10)

    def build(self, peer: Peer) -> None:
        """Accept the build, do its work, and answer."""
        request = peer.request()
        self.query = request.query
        assert self._ready.wait(10)
        try:
            self._work(self)
            peer.say(answer_stream(*self._documents))
            while True:  # the image's names
                peer.request()
                peer.say(answer(201))
        finally:
            self.over.set()

    # Calls ----------------------------------------------------------------------------------------

    def open(self, path: str, headers: Sequence[tuple[str, str]] = ()) -> int:
        """Begin a request; return its stream."""
        stream = self._h2.get_next_available_stream_id()
        fixed = [(":method", "POST"), (":scheme", "http"), (":authority", "localhost")]
        more = [("content-type", "application/grpc"), ("te", "trailers"), *headers]
        self._coming[stream] = bytearray()
        self._h2.send_headers(stream, [*fixed, (":path", path), *more])
        self._flush()
        return stream

    def send(self, stream: int, message: bytes, *, last: bool = False) -> None:
        """Send a message."""
        self._h2.send_data(stream, struct.pack(">BI", 0, len(message)) + message, end_stream=last)
        self._flush()

    def announce(self, stream: int, size: int) -> None:
        """Announce the size of a message."""
        self._h2.send_data(stream, struct.pack(">BI", 0, size))
        self._flush()

    def receive(self, stream: int) -> bytes | None:
        """Return the next message; ``None`` at the end."""
        while True:
            data = self._coming[stream]
            if len(data) >= 5:
                size = int.from_bytes(data[1:5], "big")
                if len(data) >= 5 + size:
                    message = bytes(data[5 : 5 + size])
                    del data[: 5 + size]
                    return message
            if stream in self._ended:
                return None
            self._read()

    def status(self, stream: int) -> int:
        """Return the status at the end of a request."""
        while stream not in self._status:
            self._read()
        return self._status[stream]

    def call(self, path: str, message: bytes = b"") -> tuple[int, dict[int, int | bytes]]:
        """Send a request with one message; return the status, and the fields of the answer."""
        stream = self.open(path)
        self.send(stream, message, last=True)
        found = self.receive(stream)
        return self.status(stream), dict(decode(found or b""))

    # Files ----------------------------------------------------------------------------------------

    def files(self, name: str, follow: str = "") -> tuple[list[Stat], dict[str, bytes]]:
        """Fetch the list of a directory, and the contents of all its files."""
        headers = [("dir-name", name), *([("followpaths", follow)] if follow else [])]
        stream = self.open(FILES, headers)
        stats: list[Stat] = []
        while True:
            packet = self._packet(stream)
            assert packet.get(1, STAT) == STAT
            if 2 not in packet:
                break
            stats.append(_stat(packet[2]))
        contents = {}
        for number, stat in enumerate(stats):
            if stat.mode >> 27 or stat.link:
                continue
            self.send(stream, encode({1: REQUEST, 3: number}))
            contents[stat.path] = b""
            while data := self._packet(stream).get(4, b""):
                assert isinstance(data, bytes)
                contents[stat.path] += data
        self.send(stream, encode({1: FINISHED}))
        assert self._packet(stream) == {1: FINISHED}
        assert self.status(stream) == 0
        return stats, contents

    def _packet(self, stream: int) -> dict[int, int | bytes]:
        message = self.receive(stream)
        if message is None:
            raise FilesRefusedError
        return dict(decode(message))

    # The connection -------------------------------------------------------------------------------

    def _read(self) -> None:
        for event in self._h2.receive_data(self._peer.more()):
            if isinstance(event, DataReceived):
                self._coming[event.stream_id] += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, (TrailersReceived, ResponseReceived)):
                found = {str(key): str(value) for key, value in event.headers}
                if "grpc-status" in found:
                    self._status[event.stream_id] = int(found["grpc-status"])
            elif isinstance(event, StreamEnded):
                self._ended.add(event.stream_id)
            else:
                assert not isinstance(event, WindowUpdated) or event.delta > 0
        self._flush()

    def _flush(self) -> None:
        self._peer.say(self._h2.data_to_send())


class FilesRefusedError(Exception):
    """The client refuses the files."""


def built(image: str = IMAGE) -> object:
    """Return the document that names the image."""
    return {"id": "moby.image.id", "aux": {"ID": image}}


def trace(*fields: tuple[int, dict[int, int | str | bytes]]) -> object:
    """Return a document of progress: vertexes (1), statuses (2), logs (3)."""
    status = b"".join(encode({number: encode(message)}) for number, message in fields)
    return {"id": "moby.buildkit.trace", "aux": base64.b64encode(status).decode()}


def _stat(message: object) -> Stat:
    assert isinstance(message, bytes)
    found = dict(decode(message))
    path, link = found.get(1, b""), found.get(7, b"")
    numbers = [found.get(number, 0) for number in (2, 5, 6)]
    assert isinstance(path, bytes)
    assert isinstance(link, bytes)
    mode, size, time = (number for number in numbers if isinstance(number, int))
    return Stat(path.decode(), mode, size, time, link.decode())


def json_lines(*documents: object) -> bytes:
    """Return a stream of documents like that of an engine."""
    return b"".join(json.dumps(document).encode() + b"\r\n" for document in documents)
