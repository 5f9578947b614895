"""An answer of an engine: its head, and its body as it comes (RFC 9112).

An engine that misbehaves, or a peer that is not an engine, must not make us wait or fill the memory: every length has a
limit, an answer that is read whole has a deadline, and of a stream every wait has the one that was set on the connection.

Longer than 250 lines: one answer, whose buffer head and body share.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from typing import TYPE_CHECKING, Any, TypeVar

from buildr.errors import EngineLostError, EngineUnavailableError
from buildr.host.documents import read_json
from buildr.host.limits import ANSWER, ANSWER_VALUES, HTTP_HEAD, REFUSAL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from buildr_backends.http.endpoint import Connection

T = TypeVar("T")

_BUFFER = 1 << 16

_STATUS = re.compile(r"(HTTP/1\.[01]) (\d{3})(?: .*)?", re.ASCII)
_LENGTH = re.compile(r"\d{1,18}", re.ASCII)
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)


class Response:
    """An answer whose head has been read.

    Attributes:
        status: the HTTP status.
        headers: by lower-case name; of a repeated one the last.

    Args:
        url: of the engine, for messages.
        connection: where the answer arrives.
        method: of the request.
        deadline: for the head, on the clock of `time.monotonic`; ``None``: none.
        give_back: called with the connection once the body has been read to its end, and with whether it may serve
            another request.
        keep: whether the request lets it.
    """

    def __init__(
        self,
        url: str,
        connection: Connection,
        method: str,
        deadline: float | None = None,
        *,
        give_back: Callable[[Connection, bool], object],
        keep: bool = True,
    ) -> None:
        self._url = url
        self._give_back = give_back
        self._deadline: float | None = None
        self._seconds: float | None = None
        self._socket: Connection | None = connection
        self._buffer = bytearray()
        self.status, version, self.headers = self._read_head(deadline)
        while self.status < 200 and self.status != 101:  # "100 Continue": the answer comes yet
            self.status, version, self.headers = self._read_head(deadline)
        closing = "close" in self.headers.get("connection", "").lower()
        self._keep = keep and version == "HTTP/1.1" and not closing
        length = self.headers.get("content-length")
        if method == "HEAD" or self.status in (101, 204, 304):
            self._body: Iterator[bytes] = iter(())
        elif "chunked" in self.headers.get("transfer-encoding", "").lower():
            self._body = self._chunked()
        elif length is None:
            self._keep = False
            self._body = self._until_close()
        elif _LENGTH.fullmatch(length):
            self._body = self._sized(int(length))
        else:
            raise self._nonsense(f"a length of {length[:80]!r}")

    @property
    def connection(self) -> Connection:
        """The connection of the answer, until its body has been read."""
        if self._socket is None:
            raise EngineLostError(f"the connection to the engine at {self._url} is closed")
        return self._socket

    # Reading --------------------------------------------------------------------------------------

    def chunks(self) -> Generator[bytes, None, None]:
        """Yield the body as it arrives; the connection is free again at its end.

        Raises:
            EngineLostError: the body broke off.
            EngineUnavailableError: the engine has fallen silent.
        """
        try:
            yield from self._body
        except BaseException:
            self.close()
            raise
        self._release()

    def bound(self, seconds: float | None) -> None:
        """Set how long each wait for more of the body lasts, and reading the whole of it; ``None``: for ever."""
        self._seconds = seconds
        self.connection.settimeout(seconds)

    def read(self) -> bytes:
        """Return the whole body.

        Raises:
            EngineLostError: it broke off, or is larger than any sensible one.
            EngineUnavailableError: the engine has fallen silent, or takes too long to send it.
        """
        body = bytearray()
        if self._seconds is not None:
            self._deadline = time.monotonic() + self._seconds
        with contextlib.closing(self.chunks()) as chunks:
            for chunk in chunks:
                body += chunk
                if len(body) > ANSWER:
                    raise self._nonsense(f"more than {ANSWER >> 20} MiB")
        return bytes(body)

    def beginning(self, most: int) -> bytes:
        """Return as much of the body as arrives in time, about ``most`` bytes of it; the connection is closed."""
        body = bytearray()
        seconds = REFUSAL_SECONDS if self._seconds is None else self._seconds
        self._deadline = time.monotonic() + min(seconds, REFUSAL_SECONDS)
        with contextlib.suppress(EngineLostError, EngineUnavailableError):
            for chunk in self.chunks():
                body += chunk
                if len(body) > most:
                    break
        self.close()
        return bytes(body)

    def json(self, read: Callable[[Any], T]) -> T:
        """Return the result of ``read`` for the decoded body.

        Args:
            read: given the document, which is ``None`` for an empty body. It need not check the document's
                form: what it raises then becomes an `EngineLostError`.

        Raises:
            EngineLostError: the body broke off, is not JSON, or not of the form that ``read`` understands.
            EngineUnavailableError: the engine has fallen silent.
        """
        body = self.read()
        try:
            return read(read_json(body, most_values=ANSWER_VALUES) if body.strip() else None)
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
        ):
            raise self._nonsense(
                f"something that is not what was asked for: {body[:80]!r}"
            ) from None

    def hijack(self) -> tuple[Connection, bytes]:
        """Take over the connection, with the bytes that have already arrived after the head."""
        connection, self._socket = self.connection, None
        return connection, bytes(self._buffer)

    def close(self) -> None:
        """Close the connection if the body was not read to its end; wakes a thread that waits for it."""
        connection, self._socket = self._socket, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _release(self) -> None:
        connection, self._socket = self._socket, None
        if connection is not None:
            self._give_back(connection, self._keep and not self._buffer)

    def _fill(self) -> bool:
        connection = self.connection
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                self.close()
                raise silent(self._url)
            connection.settimeout(left)
        try:
            data = connection.recv(_BUFFER)
        except TimeoutError:
            self.close()
            raise silent(self._url) from None
        except OSError as error:
            self.close()
            raise EngineLostError(
                f"the connection to the engine at {self._url} broke: {error.strerror or error}"
            ) from None
        if self._socket is None:  # by another thread, which woke this one
            raise EngineLostError(f"the answer of the engine at {self._url} was closed")
        self._buffer += data
        return bool(data)

    def _read_head(self, deadline: float | None) -> tuple[int, str, dict[str, str]]:
        self._deadline = deadline
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if not b"HTTP/1.".startswith(self._buffer[:7]):
                raise self._nonsense(f"{bytes(self._buffer[:80])!r}, which is not HTTP")
            if len(self._buffer) > HTTP_HEAD:
                raise self._nonsense("a head without an end")
            if not self._fill():
                self.close()
                raise EngineLostError(
                    f"the engine at {self._url} closed the connection without an answer"
                )
        self._deadline = None
        first, *rest = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        if (match := _STATUS.fullmatch(first)) is None:
            raise self._nonsense(f"{first[:80]!r}, which is not HTTP")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in rest)
        }
        return int(match[2]), match[1], headers

    def _take(self, count: int) -> bytes:
        if count >= len(self._buffer):
            data = bytes(self._buffer)
            self._buffer.clear()
        else:
            with memoryview(self._buffer) as view:
                data = bytes(view[:count])
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
            line = self._line()
            if (match := _CHUNK_SIZE.fullmatch(line)) is None:
                raise self._nonsense(f"a chunk of size {line[:80]!r}")
            size = int(match[1], 16)
            if not size:
                break
            yield from self._sized(size)
            if self._line():
                raise self._nonsense("a chunk that is longer than its size")
        trailers = 0
        while line := self._line():
            trailers += len(line)
            if trailers > HTTP_HEAD:
                raise self._nonsense("trailers without an end")

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > HTTP_HEAD:
                raise self._nonsense("a line without an end")
            if not self._fill():
                raise self._broken()
        line = self._take(end)
        del self._buffer[:2]
        return line

    def _until_close(self) -> Iterator[bytes]:
        while self._buffer or self._fill():
            yield self._take(_BUFFER)

    def _broken(self) -> EngineLostError:
        return EngineLostError(f"the answer of the engine at {self._url} broke off before its end")

    def _nonsense(self, what: str) -> EngineLostError:
        self.close()
        return EngineLostError(f"what is at {self._url} answered with {what}")


def silent(url: str) -> EngineUnavailableError:
    """Return the error for an engine that does not answer in time."""
    return EngineUnavailableError(
        f"the engine at {url} does not answer",
        hint="Is it stopped or overloaded? `buildr doctor` shows what answers.",
    )
