"""The registry credentials that the user already has: ``podman login`` and ``docker login`` files, for both engines.

The files and their order are those of containers-auth.json(5) and of Docker's ``config.json``; credential helpers
are asked through docker-py, which knows their protocol. Nothing is ever written, and no secret is ever shown.
"""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any

from buildr.host.documents import table_at
from buildr.host.files import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_HUB = "docker.io"
_HUB_HOST = "index.docker.io"
_HUB_KEY = f"https://{_HUB_HOST}/v1/"


def login_files(*, podman: bool) -> Iterator[str]:
    """Yield the files that may hold a login, the engine's own ones first.

    Args:
        podman: whether the engine is Podman. ``REGISTRY_AUTH_FILE`` is then the only one, as for Podman itself.
    """
    environ = os.environ
    named = environ.get("REGISTRY_AUTH_FILE")
    if podman and named:
        yield named
        return
    home = os.path.expanduser("~")
    uid = os.geteuid()
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    config = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    of_podman = [
        f"{runtime}/containers/auth.json",
        f"/run/containers/{uid}/auth.json",
        f"{config}/containers/auth.json",
    ]
    of_docker = [f"{environ.get('DOCKER_CONFIG') or f'{home}/.docker'}/config.json"]
    if podman:
        yield from of_podman + of_docker
    else:
        yield from of_docker + ([named] if named else of_podman)


def credentials(reference: str, *, podman: bool) -> dict[str, str] | None:
    """Return the login for the registry of an image reference, or ``None``.

    Args:
        reference: a full reference, registry first.
        podman: whether Podman's login files come first.

    Returns:
        ``username`` and ``password``, or ``identitytoken``, with ``serveraddress``.
    """
    for path in login_files(podman=podman):
        try:
            table: object = json.loads(read_file(path))
        except (OSError, ValueError, RecursionError):
            continue  # absent or unreadable: the registry will report what is missing
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
    # Helpers know registries only, no paths below them (containers-auth.json(5)).
    hosts = (_HUB_KEY, _HUB_HOST, registry) if registry == _HUB else (registry,)
    helpers = table_at(table, "credHelpers")
    helper = next((helpers[host] for host in hosts if host in helpers), table.get("credsStore"))
    if isinstance(helper, str) and helper and (found := _ask_helper(helper, hosts)):
        return {**found, "serveraddress": registry}
    logins = {_plain(key): row for key, row in table_at(table, "auths").items()}
    for key in _keys(reference):
        if found := _login(logins.get(key)):
            return {**found, "serveraddress": registry}
    return None


def _login(row: object) -> dict[str, str] | None:
    """Read one row of ``auths``; ``None`` if it is empty, as beside a credential helper."""
    if not isinstance(row, dict):
        return None
    if isinstance(token := row.get("identitytoken"), str) and token:
        return {"identitytoken": token}
    try:
        user, _, password = base64.b64decode(row["auth"]).decode().partition(":")
    except (KeyError, TypeError, ValueError):
        return None
    return {"username": user, "password": password.rstrip("\0")} if user else None


def _keys(reference: str) -> Iterator[str]:
    """Yield the possible keys of a login, the most specific first (containers-auth.json(5))."""
    path = reference.partition("@")[0]
    head, _, last = path.rpartition("/")
    path = f"{head}/{last.partition(':')[0]}"
    while path:
        yield path
        path = path.rpartition("/")[0]
    if reference.startswith(f"{_HUB}/"):
        yield _HUB_HOST


def _plain(key: str) -> str:
    """Return a key without what older Docker wrote: a URL, of which only the host counts."""
    _, scheme, rest = key.partition("://")
    return rest.partition("/")[0] if scheme else key.rstrip("/")


def _ask_helper(helper: str, hosts: Iterable[str]) -> dict[str, str] | None:
    import warnings

    from docker.credentials import Store

    with warnings.catch_warnings(action="ignore"):  # "not installed": then it has no login
        store: Any = Store(helper)
    for host in hosts:
        try:
            found: Any = store.get(host)
            user, secret = found["Username"], found["Secret"]
        except Exception:  # noqa: BLE001, S112 - a program of the user's, of which nothing may be shown
            continue
        if secret and isinstance(secret, str):
            return (
                {"identitytoken": secret}
                if user == "<token>"
                else {"username": str(user), "password": secret}
            )
    return None
