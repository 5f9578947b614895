"""A TLS connection with the interface of a socket.

`ssl.SSLSocket` cannot end one direction and go on with the other, and must not be used by two threads at once;
an attached container needs both. So TLS is done in memory, each step under a lock, and waiting is left to the
socket below.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from typing import cast

_BUFFER = 1 << 16


def wrap(
    plain: socket.socket,
    host: str,
    *,
    ca: str | None,
    identity: tuple[str, str] | None,
    verify: bool,
) -> TlsConnection:
    """Shake hands over a connection, which is closed if that fails.

    Args:
        plain: a fresh connection.
        host: the name that the certificate must have.
        ca: path of the PEM file of the authorities to trust; ``None``: the system's.
        identity: paths of the PEM files of our own certificate and its key.
        verify: whether the peer's certificate is verified.

    Raises:
        OSError: the PEM files cannot be read, or one side does not trust the other.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if identity is not None:
            context.load_cert_chain(*identity)
        return TlsConnection(plain, context, host)
    except BaseException:
        plain.close()
        raise


class TlsConnection:
    """The methods of a socket that the transport uses, with the same meaning and the same exceptions.

    Args:
        plain: a fresh connection.
        context: the trusted authorities and our own certificate.
        host: the name that the certificate must have.

    Raises:
        OSError: one side does not trust the other.
    """

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._socket = plain
        self._seconds = plain.gettimeout()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._lock = threading.Lock()  # of all of TLS; never held while waiting
        self._sending = threading.Lock()  # keeps the records in their order
        self._early = bytearray()  # output that came before the end of writing
        deadline = self._deadline()
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._fill(deadline)
            else:
                break
            finally:
                self._flush()  # also the alert that the other side is not trusted

    def settimeout(self, seconds: float | None) -> None:
        """As of a socket."""
        self._seconds = seconds
        self._socket.settimeout(seconds)

    def recv(self, size: int) -> bytes:
        """As of a socket."""
        buffer = bytearray(size)
        return bytes(memoryview(buffer)[: self.recv_into(buffer)])

    def recv_into(self, buffer: bytearray | memoryview) -> int:
        """As of a socket."""
        deadline = self._deadline()
        while True:
            with self._lock:
                if self._early:
                    count = min(len(buffer), len(self._early))
                    buffer[:count] = self._early[:count]
                    del self._early[:count]
                    return count
                try:
                    # Into a buffer it returns a count, which typeshed does not know, nor that a view will do.
                    return cast(int, self._tls.read(len(buffer), cast(bytearray, buffer)))
                except ssl.SSLWantReadError:
                    pass
                except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                    return 0
            self._answer()
            self._fill(deadline)

    def send(self, data: bytes | memoryview) -> int:
        """As of a socket."""
        with self._lock:
            count = self._tls.write(memoryview(data)[:_BUFFER])
        self._flush()
        return count

    def sendall(self, data: bytes | memoryview) -> None:
        """As of a socket, but the timeout is one of each piece."""
        left = memoryview(data)
        while left:
            left = left[self.send(left) :]

    def shutdown(self, how: int) -> None:
        """Like a socket's; the end of writing is a TLS alert, so that reading can continue."""
        if how != socket.SHUT_WR:
            self._socket.shutdown(how)
            return
        with self._lock:
            with contextlib.suppress(ssl.SSLError):
                while data := self._tls.read(_BUFFER):  # OpenSSL fails on later data
                    self._early += data
            with contextlib.suppress(ssl.SSLWantReadError):
                self._tls.unwrap()
        self._flush()

    def close(self) -> None:
        """As of a socket."""
        self._socket.close()

    def _deadline(self) -> float | None:
        """Return the deadline of one call: a record that arrives byte by byte is a single wait."""
        return time.monotonic() + self._seconds if self._seconds else None

    def _fill(self, deadline: float | None) -> None:
        """Wait for bytes from the other side."""
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._socket.settimeout(left)
        data = self._socket.recv(_BUFFER)
        with self._lock:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    def _flush(self) -> None:
        """Send pending TLS records."""
        with self._sending:
            self._send_pending()

    def _answer(self) -> None:
        """Send what TLS answers to what has come, such as new keys; a thread that is just sending does it as well."""
        if self._outgoing.pending and self._sending.acquire(blocking=False):
            try:
                self._send_pending()
            finally:
                self._sending.release()

    def _send_pending(self) -> None:
        while True:
            with self._lock:
                data = self._outgoing.read()
            if not data:
                return
            self._socket.sendall(data)
