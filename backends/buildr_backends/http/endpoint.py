"""Where an engine listens, and a connection to it."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from buildr.errors import EngineUnavailableError

if TYPE_CHECKING:
    from buildr_backends.http.tls import TlsConnection

    Connection: TypeAlias = socket.socket | TlsConnection


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where an engine listens: a Unix socket, or TCP with or without TLS."""

    url: str
    """As shown to users, also in errors."""
    path: str = ""
    """The path of a Unix socket; empty for TCP."""
    host: str = ""
    port: int = 0
    tls: bool = False
    tls_directory: str = ""
    """May hold ``ca.pem``, ``cert.pem`` and ``key.pem``; without the first the system's authorities are trusted."""
    tls_files: tuple[tuple[str, str], ...] = ()
    """Names of the same files, ``ca``, ``cert`` or ``key``, and their paths, where each has a place of its own."""
    tls_verify: bool = True
    """Whether the engine's certificate is verified."""

    @property
    def remote(self) -> bool:
        """Whether another machine may be at the other end."""
        return not self.path

    @property
    def plaintext(self) -> bool:
        """Whether what is sent is not encrypted on its way."""
        return not self.path and not self.tls

    def connect(self, timeout: float) -> Connection:
        """Open a connection.

        Args:
            timeout: seconds until the peer must have accepted.

        Raises:
            OSError: as `socket.socket.connect`, also for an invalid address.
        """
        try:
            return self._connect(timeout)
        except (ValueError, OverflowError) as error:  # a name that IDNA refuses, a NUL in a path
            raise OSError(errno.EINVAL, str(error)) from None

    def tls_file(self, name: str) -> str | None:
        """Return the path of a PEM file, ``ca``, ``cert`` or ``key``; ``None`` when the TLS directory does not have it."""
        for known, place in self.tls_files:
            if known == name:
                return place
        path = f"{self.tls_directory}/{name}.pem"
        return path if self.tls_directory and os.path.exists(path) else None

    def _connect(self, timeout: float) -> Connection:
        if not self.path:
            plain = socket.create_connection((self.host, self.port), timeout)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not self.tls:
                return plain
            from buildr_backends.http.tls import wrap

            certificate, key = self.tls_file("cert"), self.tls_file("key")
            return wrap(
                plain,
                self.host,
                ca=self.tls_file("ca"),
                identity=(certificate, key) if certificate and key else None,
                verify=self.tls_verify,
            )
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            unix.settimeout(timeout)
            unix.connect(self.path)
        except BaseException:
            unix.close()
            raise
        return unix


def parse_endpoint(url: str) -> Endpoint:
    """Read an engine's URL: ``unix:///path``, ``tcp://host:port``, or ``https://host:port`` for TLS.

    Raises:
        EngineUnavailableError: the URL has another scheme, or is incomplete.
    """
    scheme, _, rest = url.partition("://")
    if scheme in ("unix", "http+unix") and rest.startswith("/"):
        return Endpoint(url=f"unix://{rest}", path=rest)
    if scheme in ("tcp", "http", "https"):
        host, _, port = rest.rstrip("/").rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if host and port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 1 << 16:
            # Whether it is TLS is a field of its own; docker-py wants one scheme for both.
            return Endpoint(url=f"tcp://{rest}", host=host, port=int(port), tls=scheme == "https")
    hint = "Buildr speaks unix:///path/to/socket and tcp://host:port."
    if scheme == "ssh":
        hint += _forwarding(rest)
    raise EngineUnavailableError(f"the engine's address {url!r} cannot be used", hint=hint)


def _forwarding(address: str) -> str:
    """Say how ssh forwards the socket of ``[user@]host[:port][/path]``; Docker's addresses have no path."""
    from shlex import join

    place, _, path = address.partition("/")
    host, colon, port = place.rpartition(":")
    if not colon or not port.isdecimal():
        host, port = place, ""
    socket_there = f"/{path}" if path else "/var/run/docker.sock"
    words = ["ssh", "-nNT", "-L", f"/tmp/engine.sock:{socket_there}"]  # noqa: S108 - for people
    words += ["-p", port] if port else []
    variable = "CONTAINER_HOST" if "podman" in path else "DOCKER_HOST"
    return (
        f"\nForward the socket first: {join([*words, host or 'HOST'])}"
        f"\nthen set {variable}=unix:///tmp/engine.sock"
    )
