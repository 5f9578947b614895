"""A fake engine: an HTTP server on a Unix socket that is scripted by tests.

A function of the test handles each connection, given a `Peer`, so a test can answer in pieces, break the connection,
stay silent, or use another protocol. It needs neither an engine nor a network.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import tempfile
import threading
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

from buildr_backends.http.client import Client
from buildr_backends.http.endpoint import Endpoint

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping


class Request(NamedTuple):
    """A request of a client."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its parameters."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The parameters."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


class Hangup(Exception):  # noqa: N818 - not an error: the client may leave at any time
    """The client has closed the connection."""


class Peer:
    """One connection, as the server sees it.

    Attributes:
        requests: the requests of all connections of the server, in order.
    """

    def __init__(self, connection: socket.socket, requests: list[Request]) -> None:
        self.socket = connection
        self.requests = requests
        self._file = connection.makefile("rb")

    def head(self) -> Request:
        """Read a request without its body."""
        lines = []
        while line := self._file.readline().strip():
            lines.append(line.decode())
        if not lines:
            raise Hangup
        method, target, _ = lines[0].split(" ")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        return Request(method, target, headers, b"")

    def request(self) -> Request:
        """Read a request."""
        request = self.head()
        if request.headers.get("transfer-encoding") == "chunked":
            request = request._replace(body=self._chunks())
        else:
            length = int(request.headers.get("content-length", 0))
            request = request._replace(body=self._file.read(length))
        self.requests.append(request)
        return request

    def hear(self) -> bytes:
        """Read until the client closes its side."""
        return self._file.read()

    def more(self) -> bytes:
        """Read at least one byte.

        Raises:
            Hangup: the client has closed the connection.
        """
        if not (data := self._file.read1(1 << 16)):
            raise Hangup
        return data

    def say(self, *pieces: bytes) -> None:
        """Send bytes, each piece by itself."""
        for piece in pieces:
            self.socket.sendall(piece)

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._file.readline(), 16):
            body += self._file.read(size)
            self._file.readline()
        self._file.readline()
        return body


class Server:
    """A server on a Unix socket, or with TLS on loopback; a context manager.

    Args:
        scripts: the scripts of connections, in order; the last one serves all further ones.
        tls: with the certificate of the server, for TLS.

    Attributes:
        requests: what was read.
        connections: how many were accepted.
    """

    def __init__(
        self, *scripts: Callable[[Peer], object], tls: ssl.SSLContext | None = None
    ) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._scripts = scripts
        self._tls = tls
        self._directory = tempfile.mkdtemp(prefix="buildr-")
        self.path = f"{self._directory}/engine.sock"
        self._listener: socket.socket
        if tls is None:
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(self.path)
            self._listener.listen(64)
            self.endpoint = Endpoint(url=f"unix://{self.path}", path=self.path)
        else:
            self._listener = socket.create_server(("127.0.0.1", 0))
            port = self._listener.getsockname()[1]
            self.endpoint = Endpoint(url=f"tcp://127.0.0.1:{port}", host="127.0.0.1", port=port)
        self._clients: list[Client] = []
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def client(self, prefix: str = "") -> Client:
        """Return a client of it, which ends with the server."""
        client = Client(self.endpoint, prefix)
        self._clients.append(client)
        return client

    def close(self) -> None:
        """End every connection, and wait for the scripts. May be called twice.

        Raises:
            BaseException: what a script raised.
        """
        for client in self._clients:
            client.close()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join(10)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        shutil.rmtree(self._directory, ignore_errors=True)
        while self._failures:
            raise self._failures.pop()

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection, script), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, script: Callable[[Peer], object]) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with contextlib.closing(Peer(connection, self.requests)) as peer:
                script(peer)
        except (Hangup, OSError):
            connection.close()  # the client has left
        except BaseException as error:  # noqa: BLE001 - raised at the end of the test
            self._failures.append(error)


def answer(status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """Return an answer of fixed length."""
    fields = {"Content-Length": str(len(body)), **(headers or {})}
    return _head(status, fields) + body


def answer_json(document: object, status: int = 200) -> bytes:
    """Return an answer with a JSON document."""
    return answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


def answer_chunked(*chunks: bytes, status: int = 200) -> bytes:
    """Return a chunked answer."""
    parts = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b"")]
    return _head(status, {"Transfer-Encoding": "chunked"}) + b"".join(parts)


def answer_stream(*documents: object) -> bytes:
    """Return a chunked answer with JSON documents, one per line, as engines report progress."""
    return answer_chunked(*(json.dumps(document).encode() + b"\r\n" for document in documents))


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    fields = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    return f"HTTP/1.1 {status} Whatever\r\n{fields}\r\n".encode()


def always(*answers: bytes) -> Callable[[Peer], None]:
    """Return a script that sends these answers in order, the last one for all further requests."""

    def script(peer: Peer) -> None:
        for found in answers[:-1]:
            peer.request()
            peer.say(found)
        while True:
            peer.request()
            peer.say(answers[-1])

    return script


def hanging(*pieces: bytes, heard: list[bytes] | None = None) -> Callable[[Peer], None]:
    """Return a script that answers one request with these pieces, and then waits for the client to hang up.

    Args:
        pieces: what to send.
        heard: receives what the client sends after that.
    """

    def script(peer: Peer) -> None:
        peer.request()
        peer.say(*pieces)
        rest = peer.hear()
        if heard is not None:
            heard.append(rest)

    return script


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Split bytes at positions, modulo their length."""
    marks = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(marks)]


def routes(table: Mapping[str, bytes]) -> Callable[[Peer], None]:
    """Return a script that answers by ``METHOD path``, with patterns as keys; other requests get a 404."""

    def script(peer: Peer) -> None:
        while True:
            request = peer.request()
            line = f"{request.method} {request.path}"
            found = [value for pattern, value in table.items() if re.fullmatch(pattern, line)]
            peer.say(found[0] if found else answer_json({"message": f"no route {line}"}, 404))

    return script
