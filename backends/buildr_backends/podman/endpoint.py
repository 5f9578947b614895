"""Where Podman listens: the sockets that its own command would use, in its order."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from buildr.errors import EngineUnavailableError
from buildr.host.files import read_file
from buildr_backends.http.endpoint import Endpoint, parse_endpoint, with_socket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TLS_FILES = ("ca", "cert", "key")


def explicit(endpoint: str | None) -> tuple[Endpoint, str] | None:
    """Return the endpoint named by the user as a URL or a Podman connection, and the place of that setting.

    Raises:
        EngineUnavailableError: there is no such connection, or the address has a scheme that Buildr does not support.
    """
    if endpoint:
        return _named(endpoint), "named explicitly"
    if url := os.environ.get("CONTAINER_HOST"):
        variables = {file: os.environ.get(f"CONTAINER_TLS_{file.upper()}") for file in _TLS_FILES}
        found = _with_tls(parse_endpoint(url), variables)
        return _with_socket(found, os.environ.get("CONTAINER_SSHKEY", "")), "CONTAINER_HOST"
    if name := os.environ.get("CONTAINER_CONNECTION"):
        connection = _connection(name)
        if connection is None:
            raise EngineUnavailableError(
                f"there is no Podman connection {name!r} (from CONTAINER_CONNECTION)",
                hint="`podman system connection list` shows what there is.",
            )
        return connection.endpoint(), f"the Podman connection {name!r}"
    return None


def _named(url: str) -> Endpoint:
    """Return the endpoint of a URL; its key is that of Podman's connection with this URL, if that was chosen."""
    found = parse_endpoint(url)
    if found.ssh is None:
        return found
    key = os.environ.get("CONTAINER_SSHKEY", "")
    chosen = _connection(os.environ.get("CONTAINER_CONNECTION", ""))
    return _with_socket(found, chosen.identity if chosen and chosen.endpoint().url == url else key)


def discovered() -> Iterator[tuple[Endpoint, str]]:
    """Yield the sockets that exist, best first, with the reason for each.

    A user who names another storage by ``CONTAINERS_STORAGE_CONF`` wants that one: a service that another user
    started has a different one, so its socket does not count.
    """
    if connection := default_connection():
        yield connection
    if os.environ.get("CONTAINERS_STORAGE_CONF"):
        return
    uid = os.geteuid()
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    candidates = [(f"{runtime}/podman/podman.sock", "the user's Podman socket")]
    if uid == 0:
        candidates.append(("/run/podman/podman.sock", "the system's Podman socket"))
    for path, why in candidates:
        if os.path.exists(path):
            yield Endpoint(url=f"unix://{path}", path=path), why


def default_connection() -> tuple[Endpoint, str] | None:
    """Return the default of ``podman system connection``.

    Raises:
        EngineUnavailableError: its address cannot be used, or the path of a socket on another machine cannot be found.
    """
    if found := _connection(""):
        return found.endpoint(), f"the Podman connection {found.name!r}"
    return None


class _Connection(NamedTuple):
    """One of ``podman system connection``."""

    name: str
    url: str
    tls_files: Mapping[str, object]
    """Paths by the names of `Endpoint.tls_files`; ``None`` where there is none."""
    identity: str
    """The path of a key for ``ssh``; empty where there is none."""

    def endpoint(self) -> Endpoint:
        return _with_socket(_with_tls(parse_endpoint(self.url), self.tls_files), self.identity)


def _with_tls(endpoint: Endpoint, files: Mapping[str, object]) -> Endpoint:
    """Return an endpoint with TLS if it has a file for that, as Podman 5.7 and later do."""
    found = tuple((name, os.path.expanduser(str(path))) for name, path in files.items() if path)
    if endpoint.path or endpoint.ssh or not found:
        return endpoint
    from msgspec.structs import replace

    return replace(endpoint, tls=True, tls_files=found)


def _with_socket(endpoint: Endpoint, identity: str = "") -> Endpoint:
    """Return an endpoint with the path of the socket on another machine, which Podman itself reports where the address has none."""
    if endpoint.ssh is None:
        return endpoint
    from msgspec.structs import replace

    address = replace(endpoint.ssh, identity=os.path.expanduser(identity))
    endpoint = replace(endpoint, ssh=address)
    if address.path:
        return endpoint
    from buildr_backends.http.ssh import output

    path = output(address, "podman", "info", "--format", "{{.Host.RemoteSocket.Path}}")
    return with_socket(endpoint, path.removeprefix("unix://"))


def _connection(name: str) -> _Connection | None:
    """Return a connection; an empty name means the default one."""
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    directory = f"{config}/containers"
    return _connections_json(directory, name) or _containers_conf(directory, name)


def _connections_json(directory: str, name: str) -> _Connection | None:
    """Podman 5 and later."""
    path = os.environ.get("PODMAN_CONNECTIONS_CONF") or f"{directory}/podman-connections.json"
    try:
        table = json.loads(read_file(path))["Connection"]
        label = name or table["Default"]
        entry = table["Connections"][label]
        files = {"ca": entry.get("TLSCA"), "cert": entry.get("TLSCert"), "key": entry.get("TLSKey")}
        return _Connection(label, str(entry["URI"]), files, str(entry.get("Identity") or ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # absent or invalid: Podman's own command reports it


def _containers_conf(directory: str, name: str) -> _Connection | None:
    """Podman before 5, and what is written by hand."""
    path = os.environ.get("CONTAINERS_CONF") or f"{directory}/containers.conf"
    try:
        text = read_file(path)
        if b"service_destinations" not in text:
            return None
        import tomllib

        engine = tomllib.loads(text.decode())["engine"]
        label = name or engine["active_service"]
        entry = engine["service_destinations"][label]
        files = {file: entry.get(f"tls_{file}") for file in _TLS_FILES}
        return _Connection(label, str(entry["uri"]), files, str(entry.get("identity") or ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
