"""The registry credentials that the user already has: ``podman login`` and ``docker login`` files, for both engines.

The files and their order are those of containers-auth.json(5) and of Docker's ``config.json``; credential helpers
are asked through docker-py, which knows their protocol. Nothing is ever written, and no secret is ever shown.
"""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_DOCKER_HUB = "https://index.docker.io/v1/"


def login_files(*, podman: bool) -> Iterator[str]:
    """Yield the files that may hold a login, the engine's own ones first.

    Args:
        podman: whether Podman's files come first.
    """
    environ = os.environ
    home = os.path.expanduser("~")
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    config = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    of_podman = [
        environ.get("REGISTRY_AUTH_FILE", ""),
        f"{runtime}/containers/auth.json",
        f"/run/containers/{os.geteuid()}/auth.json",
        f"{config}/containers/auth.json",
    ]
    of_docker = [f"{environ.get('DOCKER_CONFIG') or f'{home}/.docker'}/config.json"]
    yield from filter(None, of_podman + of_docker if podman else of_docker + of_podman)


def credentials(reference: str, *, podman: bool) -> dict[str, str] | None:
    """Return what to send to the registry of an image reference, or ``None`` for nobody in particular.

    Args:
        reference: a full reference, registry first.
        podman: whether Podman's login files come first.

    Returns:
        ``username`` and ``password``, or ``identitytoken``, with ``serveraddress``.
    """
    for path in login_files(podman=podman):
        try:
            with open(path, "rb") as file:
                table: Any = json.load(file)
        except (OSError, ValueError):
            continue  # absent, unreadable or not ours to judge: the registry will say what it misses
        if isinstance(table, dict) and (found := _look_up(table, reference)):
            return found
    return None


def authorization(reference: str, *, podman: bool) -> dict[str, str]:
    """Return the header that carries the credentials for a reference; empty without any."""
    found = credentials(reference, podman=podman)
    if found is None:
        return {}
    encoded = base64.urlsafe_b64encode(json.dumps(found).encode())
    return {"X-Registry-Auth": encoded.decode("ascii")}


def _look_up(table: dict[str, Any], reference: str) -> dict[str, str] | None:
    registry = reference.partition("/")[0]
    keys = list(_keys(reference))
    helpers = table.get("credHelpers") or {}
    helper = next((helpers[key] for key in keys if key in helpers), table.get("credsStore"))
    if helper and (found := _ask_helper(helper, keys)):
        return {**found, "serveraddress": registry}
    logins = {_host(key): row for key, row in (table.get("auths") or {}).items()}
    for key in keys:
        row = logins.get(_host(key))
        if not isinstance(row, dict):
            continue
        if token := row.get("identitytoken"):
            return {"identitytoken": token, "serveraddress": registry}
        try:
            user, _, password = base64.b64decode(row["auth"]).decode().partition(":")
        except (KeyError, TypeError, ValueError):
            continue
        return {"username": user, "password": password.rstrip("\0"), "serveraddress": registry}
    return None


def _keys(reference: str) -> Iterator[str]:
    """Yield the keys under which a login may stand, the narrowest first (containers-auth.json(5))."""
    path = reference.partition("@")[0]
    head, _, last = path.rpartition("/")
    path = f"{head}/{last.partition(':')[0]}"
    while path:
        yield path
        path = path.rpartition("/")[0]
    if reference.startswith("docker.io/"):
        yield _DOCKER_HUB


def _host(key: str) -> str:
    """Bring a key to one form: older Docker wrote URLs."""
    key = key.removeprefix("https://").removeprefix("http://").rstrip("/")
    return key.removesuffix("/v1").removesuffix("/v2")


def _ask_helper(helper: str, keys: list[str]) -> dict[str, str] | None:
    from docker.credentials import Store
    from docker.credentials.errors import StoreError

    store: Any = Store(helper)
    for key in keys:
        try:
            found: Any = store.get(key)
        except StoreError:
            continue  # it knows nothing of this key, or is not installed
        if found.get("Username") == "<token>":
            return {"identitytoken": found["Secret"]}
        if found.get("Secret"):
            return {"username": found["Username"], "password": found["Secret"]}
    return None
