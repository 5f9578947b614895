"""The minimum of HTTP that an engine's socket needs, to measure the floor without a client library."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

from benchmarks.engines import BenchmarkError

if TYPE_CHECKING:
    from typing import Self

_BUFFER = 1 << 16


class Connection:
    """One connection to a Unix socket.

    Args:
        path: the path of the socket.
    """

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        self._rest = b""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._socket.close()

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a request and return the response body: parsed if it is JSON, else as bytes.

        Raises:
            BenchmarkError: the engine returns an error.
        """
        data = b"" if body is None else json.dumps(body).encode()
        status, headers = self._exchange(method, path, data, "")
        if status in (204, 304):
            return b""
        if headers.get("transfer-encoding") == "chunked":
            found = b""
            while size := int(self._until(b"\r\n"), 16):
                found += self._exactly(size + 2)[:-2]
            self._until(b"\r\n")
        else:
            found = self._exactly(int(headers["content-length"]))
        if status >= 400:
            raise BenchmarkError(f"{method} {path}: {status} {found.decode(errors='replace')}")
        is_json = headers.get("content-type", "").startswith("application/json")
        return json.loads(found) if is_json and found else found

    def upgrade(self, path: str) -> None:
        """Turn the connection into the raw stream of a container.

        Raises:
            BenchmarkError: the engine returns an error.
        """
        status, _ = self._exchange("POST", path, b"", "Connection: Upgrade\r\nUpgrade: tcp\r\n")
        if status not in (101, 200):
            raise BenchmarkError(f"POST {path}: {status}")

    def receive(self) -> bytes:
        """Wait for bytes; return none at the end of the stream."""
        data, self._rest = self._rest or self._socket.recv(_BUFFER), b""
        return data

    def end_input(self) -> None:
        """Shut down the sending side."""
        self._socket.shutdown(socket.SHUT_WR)

    def _exchange(
        self, method: str, path: str, data: bytes, more: str
    ) -> tuple[int, dict[str, str]]:
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n{more}\r\n"
        )
        self._socket.sendall(head.encode() + data)
        first, *lines = self._until(b"\r\n\r\n").decode().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    def _until(self, end: bytes) -> bytes:
        while end not in self._rest:
            self._more()
        found, _, self._rest = self._rest.partition(end)
        return found

    def _exactly(self, count: int) -> bytes:
        while len(self._rest) < count:
            self._more()
        found, self._rest = self._rest[:count], self._rest[count:]
        return found

    def _more(self) -> None:
        data = self._socket.recv(_BUFFER)
        if not data:
            raise BenchmarkError("the engine closed the connection")
        self._rest += data
