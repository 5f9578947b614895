"""Where Docker listens: ``DOCKER_HOST``, the current context, the system's socket, the rootless one."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from buildr.errors import EngineUnavailableError
from buildr.host.files import read_file
from buildr_backends.http.endpoint import Endpoint, parse_endpoint, with_socket

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEM_SOCKET = "/var/run/docker.sock"


def explicit(endpoint: str | None) -> tuple[Endpoint, str] | None:
    """Return the endpoint named by the user as a URL or context, and the place of that setting.

    Raises:
        EngineUnavailableError: the named context does not exist, or its address has a scheme that Buildr does not support.
    """
    if endpoint:
        return _with_tls(_read(endpoint)), "named explicitly"
    if url := os.environ.get("DOCKER_HOST"):
        return _with_tls(_read(url)), "DOCKER_HOST"
    if (name := _current_context()) and name != "default":
        return _context(name), f"the Docker context {name!r}"
    return None


def discovered() -> Iterator[tuple[Endpoint, str]]:
    """Yield the sockets that exist, best first, with the reason for each."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    for path, why in (
        (SYSTEM_SOCKET, "the system's Docker socket"),
        (f"{runtime}/docker.sock", "the user's rootless Docker socket"),
    ):
        if os.path.exists(path):
            yield Endpoint(url=f"unix://{path}", path=path), why


def _read(url: str) -> Endpoint:
    """Read an engine's URL; on another machine Docker is at its usual socket, unless the URL names one."""
    return with_socket(parse_endpoint(url), SYSTEM_SOCKET)


def _with_tls(found: Endpoint) -> Endpoint:
    """Add the TLS settings of the environment, as Docker's own command reads them."""
    verify = bool(os.environ.get("DOCKER_TLS_VERIFY"))
    if found.path or found.ssh or not (verify or os.environ.get("DOCKER_TLS")):
        return found
    directory = os.environ.get("DOCKER_CERT_PATH") or _config_directory()
    return replace(found, tls=True, tls_directory=directory, tls_verify=verify)


def _config_directory() -> str:
    return os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")


def _current_context() -> str:
    if name := os.environ.get("DOCKER_CONTEXT"):
        return name
    try:
        content = json.loads(read_file(f"{_config_directory()}/config.json"))
        return str(content.get("currentContext") or "")
    except (OSError, ValueError, AttributeError):
        return ""


def _context(name: str) -> Endpoint:
    """Read a context where Docker's command keeps it (docker/cli, cli/context/store).

    Not through docker-py: its import would cost every run of a user of contexts as much as the run itself.
    """
    import hashlib

    contexts = f"{_config_directory()}/contexts"
    digest = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()
    try:
        content = json.loads(read_file(f"{contexts}/meta/{digest}/meta.json"))
        endpoint: Any = content["Endpoints"]["docker"]
        found = _read(endpoint["Host"])
        verify = not endpoint.get("SkipTLSVerify")
    except FileNotFoundError:
        raise EngineUnavailableError(
            f"there is no Docker context {name!r}",
            hint="`docker context ls` lists them; `docker context use default` goes back.",
        ) from None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise EngineUnavailableError(
            f"the Docker context {name!r} cannot be read: {type(error).__name__}: {error}",
            hint="`docker context use default` goes back to the default one.",
        ) from None
    directory = f"{contexts}/tls/{digest}/docker"
    if found.path or found.ssh or not (found.tls or not verify or os.path.isdir(directory)):
        return found
    return replace(found, tls=True, tls_directory=directory, tls_verify=verify)
