"""Both engines, connected to a `Server`, and answers of real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildr.engines.records import EngineInfo
from buildr_backends.docker.engine import Docker
from buildr_backends.podman.engine import Podman
from tests.unit.backends.server import answer_json, routes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.unit.backends.conftest import Serve
    from tests.unit.backends.server import Peer, Server

DATA = Path(__file__).parents[2] / "data/engines"
REAL: dict[str, dict[str, Any]] = {
    "podman": json.loads((DATA / "podman-4.3.1.json").read_text()),
    "docker": json.loads((DATA / "docker-20.10.24.json").read_text()),
}
"""What the engines' APIs answered, without what Buildr never looks at."""

PREFIX = {"podman": "/v4.0.0/libpod", "docker": "/v1.41"}


def reach(name: str, server: Server) -> Podman | Docker:
    """Return a connected engine."""
    client = server.client(PREFIX[name])
    info = EngineInfo(
        backend=name,
        version="x",
        rootless=False,
        remote=False,
        endpoint=server.path,
        found="test",
        proxies="docker" if name == "docker" else "environment",
    )
    return Podman(client, info) if name == "podman" else Docker(client, info)


def engine(name: str, serve: Serve, script: Callable[[Peer], object]) -> Podman | Docker:
    """Return an engine connected to a server with this script."""
    return reach(name, serve(script))


def with_routes(name: str, table: Mapping[str, bytes]) -> Callable[[Peer], object]:
    """Return a script that answers by ``METHOD path``, without the engine's prefix.

    Images and volumes exist.
    """
    found = {}
    for key, value in table.items():
        method, path = key.split(" ")
        found[f"{method} {PREFIX[name]}{path}"] = value
    image = answer_json(REAL[name]["image"])
    always_there = {"images/.*/json": image, "volumes/.*": answer_json({})}
    return routes({**found, **{f"GET {PREFIX[name]}/{k}": v for k, v in always_there.items()}})
