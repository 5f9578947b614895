"""Where an engine listens, and a connection to it."""

from __future__ import annotations

import errno
import os
import re
import socket
from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from buildr.errors import EngineUnavailableError

if TYPE_CHECKING:
    from buildr_backends.http.tls import TlsConnection

    Connection: TypeAlias = socket.socket | TlsConnection


# Characters that mean something to ``-L`` of ssh(1) are not among those of a path. What follows a question mark is for Podman's command.
_SSH = re.compile(
    r"(?P<user>[^\s:/?#@-][^\s:/?#]*@)?(?P<host>\[[\w:.%]+\]|\w[\w.-]*)(?::(?P<port>\d{1,5}))?(?P<path>/[\w./+@~-]*)?(?:\?.*)?",
    re.ASCII,
)


class SshAddress(Struct, frozen=True, kw_only=True):
    """A Unix socket of another machine, for ``ssh``."""

    destination: str
    """``host`` or ``user@host``, as on the command line of ``ssh``; the host may be a name of its configuration."""
    port: int = 0
    """0: what its configuration says."""
    path: str = ""
    """Of the socket there; empty: not known."""
    identity: str = ""
    """The path of a key; empty: what its configuration says."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where an engine listens: a Unix socket here or, by ``ssh``, on another machine, or TCP with or without TLS."""

    url: str
    """As shown to users, also in errors."""
    path: str = ""
    """The path of a Unix socket of this machine; empty for all others."""
    ssh: SshAddress | None = None
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
        """Whether the connection is not encrypted."""
        return not self.path and not self.tls and self.ssh is None

    def connect(self, timeout: float) -> Connection:
        """Open a connection; one by ``ssh`` needs a `buildr_backends.http.tunnel.Tunnel`.

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
    """Read an engine's URL.

    It is ``unix:///path``, ``tcp://host:port``, ``https://host:port`` for TLS, or ``ssh://[user@]host[:port][/path]``.

    Raises:
        EngineUnavailableError: the URL has another scheme, or is incomplete.
    """
    scheme, _, rest = url.partition("://")
    if scheme in ("unix", "http+unix") and rest.startswith("/"):
        return Endpoint(url=f"unix://{rest}", path=rest)
    if scheme in ("tcp", "http", "https"):
        host, port = _host_and_port(rest.rstrip("/"))
        if host and port:
            # TLS is a separate field; docker-py expects one scheme for both.
            return Endpoint(url=f"tcp://{rest}", host=host, port=port, tls=scheme == "https")
    if scheme == "ssh" and (address := _ssh_address(rest)):
        return Endpoint(url=url, ssh=address)
    from buildr.host.confidential import without_logins

    raise EngineUnavailableError(
        f"the engine's address {without_logins(url)!r} cannot be used",
        hint="Buildr speaks unix:///path/to/socket, tcp://host:port and ssh://user@host/path/to/socket.",
    )


def with_socket(endpoint: Endpoint, path: str) -> Endpoint:
    """Return an ``ssh`` endpoint with the path of the socket on the other machine, if it has none."""
    if endpoint.ssh is None or endpoint.ssh.path:
        return endpoint
    url = f"{endpoint.url.partition('?')[0].rstrip('/')}{path}"
    return replace(endpoint, url=url, ssh=replace(endpoint.ssh, path=path))


def _ssh_address(rest: str) -> SshAddress | None:
    """Read what follows ``ssh://``; ``None`` where it cannot be right. A password has no place there: ``ssh`` takes none."""
    match = _SSH.fullmatch(rest)
    if match is None or int(match["port"] or 0) >= 1 << 16:
        return None
    user, host, path = match["user"] or "", match["host"].strip("[]"), match["path"] or ""
    return SshAddress(
        destination=f"{user}{host}", port=int(match["port"] or 0), path=path if path != "/" else ""
    )


def _host_and_port(place: str) -> tuple[str, int]:
    """Split ``host:port``; the port is 0 if it is missing or invalid."""
    host, _, port = place.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    right = port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 1 << 16
    return host, int(port) if right else 0
