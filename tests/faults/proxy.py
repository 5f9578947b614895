"""A proxy for an engine's Unix socket that stalls, cuts, splits, changes or refuses traffic at a chosen place.

A place is a request, by method and path, and a byte offset in its response. Each connection serves one request: the
proxy asks both sides to close it afterwards. It forwards upgraded connections unchanged.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import threading
import time
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

_BUFFER = 1 << 16
_LOOK_SECONDS = 0.2  # interval of checks that the client is still alive
_SECONDS = 120  # longer than any expected event takes

Place = Literal["request", "head", "body"]
Action = Literal["stall", "cut", "insert", "refuse", "split", "late"]


class Fault:
    """One fault, which happens once.

    Args:
        request: a regular expression to search in ``METHOD path``.
        action: what happens: the traffic stalls until `go`; both connections close; ``data`` is inserted; the response
            is a 500; bytes pass one by one; or the engine gets the request late, at `go`, although the client has gone.
        place: before the request, before the response, or after ``after`` bytes of the response's body.
        after: the number of bytes.
        data: the bytes to insert.

    Attributes:
        reached: set when the place is reached.
        answered: set when the engine has answered a late request.
    """

    def __init__(
        self,
        request: str,
        action: Action,
        place: Place = "request",
        *,
        after: int = 0,
        data: bytes = b"",
    ) -> None:
        self.request = request
        self.action = action
        self.place = place
        self.after = after
        self.data = data
        self.reached = threading.Event()
        self.answered = threading.Event()
        self._go = threading.Event()
        self.taken = False

    def go(self) -> None:
        """Release the stalled traffic."""
        self._go.set()

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the place is reached; fail if the process ends before."""
        deadline = time.monotonic() + _SECONDS
        while not self.reached.wait(_LOOK_SECONDS):
            ended = process.poll() is not None
            said = process.communicate() if ended else ""
            assert not ended, f"nothing asked for {self.request}: {said}"
            assert time.monotonic() < deadline, f"nothing asks for {self.request}"

    def happen(self) -> None:
        """Carry out the fault, in the thread that moves bytes.

        Raises:
            ConnectionError: the fault cuts the connection.
        """
        self.reached.set()
        if self.action in ("stall", "late"):
            self._go.wait()
        elif self.action == "cut":
            raise ConnectionError


class Proxy:
    """The proxy; a context manager.

    Args:
        path: the path of the socket to listen on.
        upstream: path of the engine's socket.
    """

    def __init__(self, path: Path, upstream: str) -> None:
        self.path = path
        self._upstream = upstream
        self._faults: list[Fault] = []
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None

    def __enter__(self) -> Self:
        self.appear()
        return self

    def __exit__(self, *_: object) -> None:
        self.vanish()

    @contextlib.contextmanager
    def fault(self, fault: Fault) -> Iterator[Fault]:
        """Schedule a fault."""
        with self._lock:
            self._faults.append(fault)
        try:
            yield fault
        finally:
            fault.go()
            with self._lock:
                self._faults.remove(fault)

    def appear(self) -> None:
        """Listen."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        listener.bind(str(self.path))
        self.path.chmod(0o666)
        listener.listen(128)
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def vanish(self) -> None:
        """Remove the socket and break every connection, as if the engine had been killed."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> None:
        """Break every connection."""
        with self._lock:
            found = tuple(self._open)
        for connection in found:
            _shut(connection)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        upstream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with self._lock:
            self._open |= {client, upstream}
        try:
            self._exchange(client, upstream)
        except OSError:
            pass  # cut by one side or the fault
        finally:
            with self._lock:
                self._open -= {client, upstream}
            for connection in (client, upstream):
                _shut(connection)
                connection.close()

    def _exchange(self, client: socket.socket, upstream: socket.socket) -> None:
        head, rest = _head(client)
        fault = self._take(head.split(b" HTTP/", 1)[0].decode())
        if fault is not None and fault.place == "request":
            fault.happen()
            if fault.action == "refuse":
                body = b'{"message": "the proxy refuses"}'
                client.sendall(
                    b"HTTP/1.1 500 Refused\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
                    % (len(body), body)
                )
                return
        upstream.connect(self._upstream)
        if fault is not None and fault.action == "late":
            upstream.sendall(_closing(head) + rest)
            _head(upstream)
            fault.answered.set()
            return
        upgrade = b"\r\nupgrade:" in head.lower()
        upstream.sendall((head if upgrade else _closing(head)) + rest)
        threading.Thread(target=_pump, args=(client, upstream), daemon=True).start()
        head, rest = _head(upstream)
        if fault is not None and fault.place == "head":
            fault.happen()
        client.sendall(head if upgrade else _closing(head))
        self._body(upstream, client, rest, fault if fault and fault.place == "body" else None)

    def _body(
        self, upstream: socket.socket, client: socket.socket, data: bytes, fault: Fault | None
    ) -> None:
        passed = 0
        while True:
            if fault is not None and fault.action == "split":
                fault.reached.set()
                for byte in data:
                    client.sendall(bytes((byte,)))
            elif fault is not None and passed + len(data) >= fault.after:
                here = fault.after - passed
                client.sendall(data[:here])
                fault.happen()
                client.sendall(fault.data + data[here:])
                fault = None
            else:
                client.sendall(data)
            passed += len(data)
            data = upstream.recv(_BUFFER)
            if not data:
                return

    def _take(self, line: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if not fault.taken and re.search(fault.request, line):
                    fault.taken = True
                    return fault
        return None


def _head(connection: socket.socket) -> tuple[bytes, bytes]:
    """Read the head of a request or response; return it and the bytes received after it."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(_BUFFER)
        if not more:
            raise ConnectionError
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _closing(head: bytes) -> bytes:
    return head[:-2] + b"Connection: close\r\n\r\n"


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Forward what the client sends, and the end of its input or of the connection."""
    with contextlib.suppress(OSError, ValueError):  # closed by the thread that moves the answer
        while data := source.recv(_BUFFER):
            target.sendall(data)
        poll = select.poll()
        poll.register(source, 0)
        gone = any(events & select.POLLHUP for _, events in poll.poll(0))
        target.shutdown(socket.SHUT_RDWR if gone else socket.SHUT_WR)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
