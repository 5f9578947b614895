"""Properties of the readers of what an engine sends: HTTP heads, BuildKit sessions, build progress."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, cast

from h2.config import H2Configuration
from h2.connection import H2Connection

from buildr.archive.files import ArchiveFile
from buildr.errors import BuildError, EngineLostError, EngineUnavailableError
from buildr_backends.docker.buildkit import files
from buildr_backends.docker.buildkit.grpc import UNIMPLEMENTED, GrpcServer, RefusedError
from buildr_backends.docker.buildkit.progress import follow_build
from buildr_backends.docker.buildkit.protobuf import encode
from buildr_backends.http.response import Response
from buildr_backends.shared import build_log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildr.engines.records import Event
    from buildr_backends.docker.buildkit.grpc import Call
    from buildr_backends.http.endpoint import Connection

_FILES = (
    ArchiveFile(path="a", kind="dir", mode=0o755),
    ArchiveFile(path="a/b", kind="file", mode=0o644, size=3, read=lambda: iter([b"abc"])),
)


class _Peer:
    """A connection with received bytes, split into pieces."""

    def __init__(self, data: bytes, size: int) -> None:
        self._pieces = [data[at : at + size] for at in range(0, len(data), size)]

    def recv(self, _: int) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def sendall(self, data: bytes) -> None:
        pass

    def settimeout(self, seconds: float | None) -> None:
        pass

    def shutdown(self, how: int) -> None:
        pass

    def close(self) -> None:
        pass


def _peer(data: bytes, size: int) -> Connection:
    return cast("Connection", _Peer(data, size))


def sessions(data: bytes) -> None:
    """Serve a BuildKit session: it ends, and its thread raises nothing."""
    for size in (7, max(1, len(data))):
        GrpcServer(_peer(data, size), b"", _answer).serve()


def _answer(path: str, headers: Mapping[str, str]) -> Call:
    if path.startswith("/moby.filesync.v1.FileSync"):
        return files.Transfer(_FILES if headers.get("dir-name") else (), lambda _: None)
    raise RefusedError(UNIMPLEMENTED, path)


def heads(data: bytes) -> None:
    """Read an HTTP response: the result does not depend on the pieces, and only our own error is raised."""
    verdicts: list[tuple[Any, ...]] = []
    for size in (1, 13, max(1, len(data))):
        try:
            response = Response("x", _peer(data, size), "GET", give_back=lambda *_: None)
            verdicts.append((response.status, response.headers, b"".join(response.chunks())))
        except (EngineLostError, EngineUnavailableError):
            verdicts.append(())
    assert verdicts[0] == verdicts[1] == verdicts[2]


def progress(data: bytes) -> None:
    """Follow a build of either builder: text events, and only our own error."""
    trace = {"id": "moby.buildkit.trace", "aux": base64.b64encode(data).decode()}
    texts: list[str] = []

    def note(event: Event) -> None:
        texts.append(event.text)

    for follow, chunk in (
        (follow_build, json.dumps(trace).encode()),
        (follow_build, data),
        (build_log.follow_build, data),
        (build_log.follow_build, json.dumps({"stream": data.decode(errors="replace")}).encode()),
    ):
        try:
            follow([chunk], note)
        except (BuildError, EngineLostError):
            continue
    assert all(isinstance(text, str) for text in texts)


def _session(path: str, message: bytes, name: bytes = b"context") -> bytes:
    """Return the bytes of a client's request."""
    client = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    client.initiate_connection()
    pseudo = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", path)]
    client.send_headers(1, [*pseudo, (b"dir-name", name)])
    client.send_data(1, b"\0" + len(message).to_bytes(4, "big") + message)
    return client.data_to_send()


TARGETS = {"sessions": sessions, "heads": heads, "progress": progress}
SEEDS = {
    "sessions": [
        _session("/moby.filesync.v1.FileSync/DiffCopy", encode({1: 1, 3: 1})),
        _session("/moby.filesync.v1.FileSync/DiffCopy", encode({1: 3})),
        _session("/moby.sshforward.v1.SSH/CheckAgent", b""),
        _session("/", b"", name=b"\x81\xff"),  # headers may be any bytes
    ],
    "heads": [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n0\r\nX: y\r\n\r\n",
        b"HTTP/1.0 204 No Content\r\n\r\n",
    ],
    "progress": [
        encode({1: encode({1: "v", 3: "[1/2] RUN x", 5: b"t", 7: "no"})}),
        encode({3: encode({1: "v", 4: "line\nmore"}), 2: encode({1: "x", 4: 1, 5: 2})}),
        b'{"stream": "Step 1/2 : FROM x\\n"}\n{"error": "failed to solve: x"}\n',
    ],
}
