"""A small HTTP/1.1 client for the engines' sockets.

Engines speak a narrow HTTP: fixed length or chunked answers, and a connection that is handed over whole
("hijacked") for attached streams. Importing the standard library's client and an SDK costs about as much as
a whole run, so this module speaks just that HTTP, after RFC 9112. `Client` keeps idle connections and is safe
to use from several threads; a `Response` belongs to one.
"""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from msgspec import Struct

from buildr.errors import EngineError, EngineLostError, EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

_BUFFER = 1 << 16
_MAX_HEAD = 1 << 16  # bytes of status line and headers; engines send a few hundred
_MAX_ERROR = 1 << 16  # bytes of an error's body that are read for its message
ANSWER_SECONDS = 120.0
"""How long an ordinary request may take: creating a container on a cold disk is the slowest of them."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where an engine listens: a Unix socket, or TCP with or without TLS."""

    url: str
    """For people and errors."""
    path: str = ""
    """Of a Unix socket; empty for TCP."""
    host: str = ""
    port: int = 0
    tls_directory: str | None = None
    """A directory with ``ca.pem``, ``cert.pem`` and ``key.pem``; ``None``: no TLS."""
    tls_verify: bool = True

    @property
    def remote(self) -> bool:
        """Whether another machine may be at the other end."""
        return not self.path

    def connect(self, timeout: float) -> socket.socket:
        """Open a connection.

        Args:
            timeout: seconds until the peer must have accepted.

        Raises:
            OSError: as `socket.socket.connect`.
        """
        if not self.path:
            plain = socket.create_connection((self.host, self.port), timeout)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return plain if self.tls_directory is None else self._wrap(plain, self.tls_directory)
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            unix.settimeout(timeout)
            unix.connect(self.path)
        except BaseException:
            unix.close()
            raise
        return unix

    def _wrap(self, plain: socket.socket, directory: str) -> socket.socket:
        import ssl

        context = ssl.create_default_context(cafile=f"{directory}/ca.pem")
        if not self.tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(f"{directory}/cert.pem", f"{directory}/key.pem")
        return context.wrap_socket(plain, server_hostname=self.host)


class Response:
    """An answer whose head has been read.

    Attributes:
        status: the HTTP status.
        headers: by lower-case name; of a repeated one the last.
    """

    def __init__(self, client: Client, connection: socket.socket, method: str) -> None:
        self._client = client
        self._socket: socket.socket | None = connection
        self._buffer = bytearray()
        head = self._read_head()
        status, *lines = head.split("\r\n")
        try:
            version, code, *_ = status.split(" ", 2)
            self.status = int(code)
        except ValueError:
            raise EngineLostError(
                f"{client.endpoint.url} does not speak HTTP: {status[:80]!r}"
            ) from None
        self.headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        self._keep = version == "HTTP/1.1" and self.headers.get("connection", "").lower() != "close"
        chunked = "chunked" in self.headers.get("transfer-encoding", "").lower()
        length = self.headers.get("content-length")
        if method == "HEAD" or self.status in (204, 304) or self.status < 200:
            self._body: Iterator[bytes] = iter(())
        elif chunked:
            self._body = self._chunked()
        elif length is not None and length.isdecimal():
            self._body = self._sized(int(length))
        else:
            self._keep = False
            self._body = self._until_close()

    # Reading --------------------------------------------------------------------------------------

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes; the connection is free again at its end.

        Raises:
            EngineLostError: the body broke off.
        """
        try:
            yield from self._body
        except BaseException:
            self.close()
            raise
        self._release()

    def read(self) -> bytes:
        """Return the whole body."""
        return b"".join(self.chunks())

    def json(self) -> object:
        """Return the whole body, decoded.

        Raises:
            EngineLostError: it is no JSON.
        """
        body = self.read()
        try:
            return json.loads(body) if body.strip() else None
        except ValueError:
            raise EngineLostError(
                f"{self._client.endpoint.url} answered with something that is no JSON: {body[:80]!r}"
            ) from None

    def hijack(self) -> tuple[socket.socket, bytes]:
        """Take the connection over, with the bytes that came behind the head already."""
        connection, self._socket = self._socket, None
        if connection is None:
            raise AssertionError("the response is closed")
        return connection, bytes(self._buffer)

    def close(self) -> None:
        """Close the connection if the body was not read to its end."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _release(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            self._client._give_back(connection, keep=self._keep and not self._buffer)  # noqa: SLF001 - the two are one

    def _fill(self) -> bool:
        if self._socket is None:
            raise AssertionError("the response is closed")
        try:
            data = self._socket.recv(_BUFFER)
        except TimeoutError:
            self.close()
            raise EngineUnavailableError(
                f"the engine at {self._client.endpoint.url} does not answer",
                hint="Is it stopped or overloaded? `buildr doctor` tells what answers.",
            ) from None
        except OSError as error:
            self.close()
            raise EngineLostError(
                f"the connection to the engine at {self._client.endpoint.url} broke: {error}"
            ) from None
        self._buffer += data
        return bool(data)

    def _read_head(self) -> str:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _MAX_HEAD or not self._fill():
                self.close()
                raise EngineLostError(
                    f"the engine at {self._client.endpoint.url} closed the connection without an answer"
                )
        head = self._buffer[:end].decode("latin-1")
        del self._buffer[: end + 4]
        return head

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _sized(self, left: int) -> Iterator[bytes]:
        while left:
            if not self._buffer and not self._fill():
                raise self._broken()
            data = self._take(left)
            left -= len(data)
            yield data

    def _chunked(self) -> Iterator[bytes]:
        while True:
            size = int(self._line().split(b";", 1)[0], 16)
            if not size:
                while self._line():
                    pass  # trailers
                return
            yield from self._sized(size)
            self._line()

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _MAX_HEAD or not self._fill():
                raise self._broken()
        line = self._take(end)
        self._take(2)
        return line

    def _until_close(self) -> Iterator[bytes]:
        while self._buffer or self._fill():
            yield self._take(_BUFFER)

    def _broken(self) -> EngineLostError:
        return EngineLostError(
            f"the answer of the engine at {self._client.endpoint.url} broke off before its end"
        )


class Client:
    """Requests to one engine.

    Args:
        endpoint: where it listens.
        prefix: put before every path, e.g. ``/v4.0.0``.
    """

    def __init__(self, endpoint: Endpoint, prefix: str = "") -> None:
        self.endpoint = endpoint
        self.prefix = prefix
        self._idle: list[socket.socket] = []
        self._lock = threading.Lock()
        self._closed = False

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json_body: object = None,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = ANSWER_SECONDS,
        ok: tuple[int, ...] = (200, 201, 204, 304),
        upgrade: bool = False,
    ) -> Response:
        """Send a request and read the head of its answer.

        Args:
            method: of HTTP.
            path: behind the prefix; every character that is not of a path must be quoted already.
            query: parameters.
            json_body: sent as JSON.
            body: sent as it is, an iterable in chunks.
            headers: more headers.
            seconds: how long each wait for the peer may last; ``None``: for ever.
            ok: statuses that are no error.
            upgrade: ask for the connection to be handed over.

        Raises:
            EngineUnavailableError: nobody accepts, or no answer in time.
            EngineLostError: the connection broke.
            EngineError: the engine answered with a status outside ``ok``.
        """
        fields = {"Host": "buildr", "User-Agent": "buildr", **(headers or {})}
        if json_body is not None:
            body = json.dumps(json_body).encode()
            fields["Content-Type"] = "application/json"
        if upgrade:
            fields |= {"Connection": "Upgrade", "Upgrade": "tcp"}
        streamed = body is not None and not isinstance(body, bytes)
        if streamed:
            fields["Transfer-Encoding"] = "chunked"
        elif method != "GET":
            fields["Content-Length"] = str(len(body) if isinstance(body, bytes) else 0)
        target = self.prefix + path + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(
            f"{k}: {v}\r\n" for k, v in fields.items()
        )
        response = self._exchange(method, head.encode("latin-1") + b"\r\n", body, seconds)
        if response.status not in ok and not (upgrade and response.status == 101):
            raise _refusal(method, path, response)
        return response

    def close(self) -> None:
        """Close the idle connections; those in use close when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    # Connections ----------------------------------------------------------------------------------

    def _exchange(
        self, method: str, head: bytes, body: bytes | Iterable[bytes] | None, seconds: float | None
    ) -> Response:
        streamed = not (body is None or isinstance(body, bytes))
        while True:
            connection, fresh = self._take(seconds)
            try:
                refused = _send(connection, head, body)
            except BaseException:
                connection.close()
                raise
            try:
                if refused is not None and fresh:
                    # An engine that refuses a body early answers before it closes: its words matter most.
                    try:
                        return Response(self, connection, method)
                    except EngineLostError:
                        raise EngineLostError(
                            f"the engine at {self.endpoint.url} closed the connection: {refused}"
                        ) from None
                if refused is None:
                    return Response(self, connection, method)
            except EngineLostError:
                connection.close()
                if fresh or method not in ("GET", "HEAD"):
                    raise  # the engine may have done what it was asked
            # The engine had closed a connection that was idle: a fresh one carries the request.
            connection.close()
            if refused is not None and streamed:
                raise EngineLostError(
                    f"the engine at {self.endpoint.url} closed the connection: {refused}"
                )

    def _take(self, seconds: float | None) -> tuple[socket.socket, bool]:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            if not _readable(connection):
                connection.settimeout(seconds)
                return connection, False
            connection.close()  # the engine has hung up
        try:
            connection = self.endpoint.connect(min(seconds or 10.0, 10.0))
        except OSError as error:
            raise EngineUnavailableError(
                f"the engine at {self.endpoint.url} cannot be reached: {error.strerror or error}",
                hint="Is it running? `buildr doctor` tells what answers.",
            ) from None
        connection.settimeout(seconds)
        return connection, True

    def _give_back(self, connection: socket.socket, *, keep: bool) -> None:
        with self._lock:
            if keep and not self._closed:
                self._idle.append(connection)
                return
        connection.close()


def _send(
    connection: socket.socket, head: bytes, body: bytes | Iterable[bytes] | None
) -> OSError | None:
    """Send a request; return the error if the peer would not take all of it."""
    try:
        if body is None or isinstance(body, bytes):
            connection.sendall(head + (body or b""))
            return None
        connection.sendall(head)
    except OSError as error:
        return error
    for chunk in body:  # its own errors (a file that cannot be read) are not the connection's
        if chunk:
            try:
                connection.sendall(b"%x\r\n" % len(chunk))
                connection.sendall(chunk)
                connection.sendall(b"\r\n")
            except OSError as error:
                return error
    try:
        connection.sendall(b"0\r\n\r\n")
    except OSError as error:
        return error
    return None


def _readable(connection: socket.socket) -> bool:
    """Whether an idle connection has something to say, which can only be its end."""
    connection.setblocking(False)  # noqa: FBT003 - the standard library's signature
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _refusal(method: str, path: str, response: Response) -> EngineError:
    body = bytearray()
    try:
        for chunk in response.chunks():
            body += chunk
            if len(body) > _MAX_ERROR:
                break
    except EngineLostError:
        pass  # what has come of the message is all there is
    finally:
        response.close()
    message = bytes(body).decode(errors="replace").strip()
    try:
        document = json.loads(message)
        message = document.get("message") or document.get("cause") or message
    except (ValueError, AttributeError):
        pass  # some answers are plain text
    return EngineError(
        f"the engine refused {method} {path}: {message or response.status}",
        status=response.status,
        message=str(message),
    )


def lines(chunks: Iterable[bytes]) -> Iterator[object]:
    """Decode a stream of JSON documents, however it is cut: one may span chunks, and a chunk may hold several.

    Raises:
        EngineLostError: the stream is no JSON, or ends inside a document.
    """
    decoder = json.JSONDecoder()
    text = ""
    pending = b""
    for chunk in chunks:
        pending += chunk
        # Documents end in a line break; only a whole line can be decoded (UTF-8 may be cut anywhere).
        *whole, pending = pending.split(b"\n")
        if not whole:
            continue
        text += b"\n".join(whole).decode(errors="replace") + "\n"
        text = yield from _documents(decoder, text)
    text += pending.decode(errors="replace")
    text = yield from _documents(decoder, text)
    if text.strip():
        raise EngineLostError(f"the engine's answer broke off: {text.strip()[:80]!r}")


def _documents(decoder: json.JSONDecoder, text: str) -> Generator[object, None, str]:
    """Yield the whole documents at the start of ``text``; return what is left."""
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return ""
        try:
            document, at = decoder.raw_decode(text, at)
        except ValueError:
            return text[at:]
        yield document
