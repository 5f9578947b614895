"""Where Docker listens: ``DOCKER_HOST``, the current context, the system's socket, the rootless one."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.errors import EngineUnavailableError
from buildr_backends._http import Endpoint
from buildr_backends._podman_endpoint import parse_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator


def explicit(endpoint: str | None) -> tuple[Endpoint, str] | None:
    """Return the endpoint that the user named by URL or context, and where it was named.

    Raises:
        EngineUnavailableError: the named context does not exist, or its address is of no kind we speak.
    """
    if endpoint:
        return parse_endpoint(endpoint), "named explicitly"
    if url := os.environ.get("DOCKER_HOST"):
        found = parse_endpoint(url)
        verify = bool(os.environ.get("DOCKER_TLS_VERIFY"))
        if not found.path and (verify or os.environ.get("DOCKER_TLS")):
            directory = os.environ.get("DOCKER_CERT_PATH") or _config_directory()
            found = replace(found, tls_directory=directory, tls_verify=verify)
        return found, "DOCKER_HOST"
    if (name := _current_context()) and name != "default":
        return _context(name), f"the Docker context {name!r}"
    return None


def discovered() -> Iterator[tuple[Endpoint, str]]:
    """Yield the sockets that exist, best first, with the reason for each."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    for path, why in (
        ("/var/run/docker.sock", "the system's Docker socket"),
        (f"{runtime}/docker.sock", "the user's rootless Docker socket"),
    ):
        if os.path.exists(path):
            yield Endpoint(url=f"unix://{path}", path=path), why


def _config_directory() -> str:
    return os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")


def _current_context() -> str:
    if name := os.environ.get("DOCKER_CONTEXT"):
        return name
    try:
        with open(f"{_config_directory()}/config.json", "rb") as file:
            return str(json.load(file).get("currentContext") or "")
    except (OSError, ValueError, AttributeError):
        return ""


def _context(name: str) -> Endpoint:
    # docker-py knows where contexts are kept; it is only imported when one is in use.
    from docker.context import ContextAPI
    from docker.errors import DockerException

    try:
        context = ContextAPI.get_context(name)
    except DockerException as error:
        raise EngineUnavailableError(
            f"the Docker context {name!r} cannot be read: {error}"
        ) from None
    if context is None:
        raise EngineUnavailableError(
            f"there is no Docker context {name!r}",
            hint="`docker context ls` lists them; `docker context use default` goes back.",
        )
    return parse_endpoint(context.Host or "")
