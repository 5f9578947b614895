"""Where Podman listens: the sockets that its own command would use, in its order."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from buildr.errors import EngineUnavailableError
from buildr_backends._http import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator


def parse_endpoint(url: str) -> Endpoint:
    """Read an engine's URL: ``unix:///path`` or ``tcp://host:port``.

    Raises:
        EngineUnavailableError: the URL is of another kind, or incomplete.
    """
    scheme, _, rest = url.partition("://")
    if scheme in ("unix", "http+unix") and rest.startswith("/"):
        return Endpoint(url=f"unix://{rest}", path=rest)
    if scheme in ("tcp", "http", "https"):
        host, _, port = rest.rstrip("/").rpartition(":")
        if host and port.isdecimal():
            return Endpoint(url=url, host=host.strip("[]"), port=int(port))
    hint = "Buildr speaks unix:///path/to/socket and tcp://host:port."
    if scheme == "ssh":
        hint += (
            "\nForward the socket first: ssh -nNT -L /tmp/engine.sock:/run/podman/podman.sock HOST"
            "\nthen name unix:///tmp/engine.sock."
        )
    raise EngineUnavailableError(f"the engine's address {url!r} cannot be used", hint=hint)


def explicit(endpoint: str | None) -> tuple[Endpoint, str] | None:
    """Return the endpoint that the user named, and where it was named."""
    if endpoint:
        return parse_endpoint(endpoint), "named explicitly"
    if url := os.environ.get("CONTAINER_HOST"):
        return parse_endpoint(url), "CONTAINER_HOST"
    return None


def discovered() -> Iterator[tuple[Endpoint, str]]:
    """Yield the sockets that exist, best first, with the reason for each."""
    if connection := default_connection():
        yield connection
    uid = os.geteuid()
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    candidates = [(f"{runtime}/podman/podman.sock", "the user's Podman socket")]
    if uid == 0:
        candidates.append(("/run/podman/podman.sock", "the system's Podman socket"))
    for path, why in candidates:
        if os.path.exists(path):
            yield Endpoint(url=f"unix://{path}", path=path), why


def default_connection() -> tuple[Endpoint, str] | None:
    """Return the default of ``podman system connection``, if it is one that needs no ssh."""
    name = os.environ.get("CONTAINER_CONNECTION", "")
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    for read in (_connections_json, _containers_conf):
        found = read(f"{config}/containers", name)
        if found:
            label, url = found
            if url.startswith(("unix://", "tcp://")):
                return parse_endpoint(url), f"the Podman connection {label!r}"
    return None


def _connections_json(directory: str, name: str) -> tuple[str, str] | None:
    """Podman 5 and later."""
    try:
        with open(f"{directory}/podman-connections.json", "rb") as file:
            table = json.load(file)["Connection"]
        label = name or table["Default"]
        return label, str(table["Connections"][label]["URI"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent or not what Podman writes: Podman's own command says so better


def _containers_conf(directory: str, name: str) -> tuple[str, str] | None:
    """Podman before 5."""
    path = os.environ.get("CONTAINERS_CONF") or f"{directory}/containers.conf"
    try:
        with open(path, "rb") as file:
            text = file.read()
        if b"service_destinations" not in text:
            return None
        import tomllib

        engine = tomllib.loads(text.decode())["engine"]
        label = name or engine["active_service"]
        return label, str(engine["service_destinations"][label]["uri"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
