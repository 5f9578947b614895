"""A connection with TLS that behaves as a socket does.

`ssl.SSLSocket` cannot end one direction and go on with the other, and must not be used by two threads at once;
an attached container needs both. So each step of OpenSSL is taken under a lock, on a socket that never blocks,
and waiting is done outside.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr_backends._endpoint import Endpoint

T = TypeVar("T")


def wrap(plain: socket.socket, endpoint: Endpoint) -> TlsConnection:
    """Shake hands over a connection, which is closed if that fails.

    Raises:
        OSError: the PEM files cannot be read, or one side does not trust the other.
    """
    try:
        context = ssl.create_default_context(cafile=endpoint.tls_file("ca"))
        if not endpoint.tls_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate, key = endpoint.tls_file("cert"), endpoint.tls_file("key")
        if certificate and key:
            context.load_cert_chain(certificate, key)
        return TlsConnection(context.wrap_socket(plain, server_hostname=endpoint.host))
    except BaseException:
        plain.close()
        raise


class TlsConnection:
    """The methods of a socket that the transport uses, with the same meaning and the same exceptions.

    Args:
        connection: after the handshake.
    """

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._socket = connection
        self._timeout = connection.gettimeout()
        self._lock = threading.Lock()
        self._ended = False
        connection.settimeout(0)

    def settimeout(self, seconds: float | None) -> None:
        """As of a socket."""
        self._timeout = seconds

    def recv(self, size: int) -> bytes:
        """As of a socket."""
        buffer = bytearray(size)
        return bytes(memoryview(buffer)[: self.recv_into(buffer)])

    def recv_into(self, buffer: bytearray | memoryview) -> int:
        """As of a socket."""
        if self._ended:
            return 0
        try:
            return self._step(lambda: self._socket.recv_into(buffer))
        except ssl.SSLZeroReturnError:
            return 0

    def send(self, data: bytes | memoryview) -> int:
        """As of a socket."""
        return self._step(lambda: self._socket.send(data))

    def sendall(self, data: bytes | memoryview) -> None:
        """As of a socket, but the timeout is one of each step."""
        left = memoryview(data).cast("B")
        while left:
            left = left[self.send(left) :]

    def shutdown(self, how: int) -> None:
        """As of a socket; the end of writing is TLS's own, so that reading goes on."""
        if how != socket.SHUT_WR:
            socket.socket.shutdown(self._socket, how)  # SSLSocket's own would forget the keys
            return
        with self._lock, contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._socket.unwrap()  # sends the word, and would wait for the peer's
            self._ended = True

    def close(self) -> None:
        """As of a socket."""
        self._socket.close()

    def _step(self, operation: Callable[[], T]) -> T:
        timeout = self._timeout
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                with self._lock:
                    return operation()
            except ssl.SSLWantReadError:
                event = select.POLLIN
            except ssl.SSLWantWriteError:
                event = select.POLLOUT
            if timeout == 0:
                raise BlockingIOError
            descriptor = self._socket.fileno()
            if descriptor < 0:
                raise OSError(errno.EBADF, "the connection was closed")
            poll = select.poll()
            poll.register(descriptor, event)
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not poll.poll(None if left is None else left * 1000):
                raise TimeoutError("timed out")
