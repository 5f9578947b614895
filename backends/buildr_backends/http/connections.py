"""Connections to one engine: idle ones are kept, and to another machine they go through a tunnel."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from buildr.errors import EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr_backends.http.endpoint import Connection, Endpoint
    from buildr_backends.http.tunnel import Tunnel

_CONNECT_SECONDS = 10.0


class Connections:
    """The connections of one `buildr_backends.http.client.Client`; safe to use from several threads.

    Args:
        endpoint: where the engine listens.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.tunnel: Tunnel | None = None
        if endpoint.ssh is not None:
            from buildr_backends.http.tunnel import Tunnel

            self.tunnel = Tunnel(endpoint, endpoint.ssh)
        self.revive: Callable[[], object] | None = None
        """Starts the engine again when connections are refused; may raise `EngineUnavailableError`."""
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    def take(self, deadline: float | None) -> tuple[Connection, bool]:
        """Return a connection, and whether it is a fresh one.

        Args:
            deadline: on the clock of `time.monotonic`; ``None``: none.

        Raises:
            EngineUnavailableError: the engine cannot be reached.
        """
        left = None if deadline is None else max(0.001, deadline - time.monotonic())
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                break
            if not _hung_up(connection):
                connection.settimeout(left)
                return connection, False
            connection.close()
        timeout = _CONNECT_SECONDS if left is None else min(left, _CONNECT_SECONDS)
        try:
            connection = self._connect(timeout)
        except OSError as error:
            raise EngineUnavailableError(
                f"the engine at {self.endpoint.url} cannot be reached: {error.strerror or error}",
                hint="Is it running? `buildr doctor` shows what answers.",
            ) from None
        left = None if deadline is None else max(0.001, deadline - time.monotonic())
        connection.settimeout(left)
        return connection, True

    def _connect(self, timeout: float) -> Connection:
        if self.tunnel is not None:
            try:
                return self.tunnel.endpoint().connect(timeout)
            except (ConnectionRefusedError, FileNotFoundError):  # it is just ending
                return self.tunnel.endpoint(again=True).connect(timeout)
        try:
            return self.endpoint.connect(timeout)
        except (ConnectionRefusedError, FileNotFoundError):
            if self.revive is None:
                raise
            self.revive()
            return self.endpoint.connect(timeout)

    def give_back(self, connection: Connection, keep: bool) -> None:
        """Take a connection back, to keep it for the next request or to close it."""
        with self._lock:
            if keep and not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close the idle connections and the tunnel; those in use are closed when they are returned."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        if self.tunnel is not None:
            self.tunnel.close()


def _hung_up(connection: Connection) -> bool:
    """Whether the other end of an idle connection has closed it, or has sent something unasked."""
    connection.settimeout(0)
    try:
        connection.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
