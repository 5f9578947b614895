"""Settings that a Podman service reads once, when it starts: a run with different ones needs another service."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

from buildr.errors import EngineUnavailableError
from buildr_backends.podman.service_environment import service_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

_IDLE_SECONDS = 120  # the idle time after which a service ends
IDLE_VARIABLE = "BUILDR_PODMAN_IDLE_SECONDS"

# The service keeps the environment of its first user, so a run with another one needs another service.
_FROZEN_PREFIXES = (
    "BUILDAH_",
    "CONTAINERS_",
    "PODMAN_",
    "REGISTRY_",
    "SSL_CERT_",
    "STORAGE_",
)
_FROZEN = {
    IDLE_VARIABLE,
    "DBUS_SESSION_BUS_ADDRESS",
    "DOCKER_CONFIG",
    "HOME",
    "NETAVARK_FW",
    "PATH",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
}
# Files that the service reads at its start, and the variables that replace them.
_CONFIGURATION = {
    "containers.conf": "CONTAINERS_CONF",
    "registries.conf": "CONTAINERS_REGISTRIES_CONF",
    "storage.conf": "CONTAINERS_STORAGE_CONF",
}


def idle_seconds() -> int:
    """Return the idle time of a service in seconds.

    Raises:
        EngineUnavailableError: `IDLE_VARIABLE` does not hold a number of seconds.
    """
    text = os.environ.get(IDLE_VARIABLE) or str(_IDLE_SECONDS)
    if not text.isascii() or not text.isdecimal() or len(text) > 9 or int(text) == 0:
        raise EngineUnavailableError(
            f"{IDLE_VARIABLE} cannot be {text!r}",
            hint="It is a number of seconds, 1 or more. Without it: 120.",
        )
    return int(text)


def service_key(podman: str) -> str:
    """Return a key of everything that a service keeps from its start: environment, priority, configuration, and program."""
    parts = [f"nice {os.getpriority(os.PRIO_PROCESS, 0)}"]  # containers inherit it
    for name, value in sorted(service_environment().items()):
        if name in _FROZEN or name.startswith(_FROZEN_PREFIXES) or name.lower().endswith("_proxy"):
            parts.append(f"{name}={value}")
    for path in (podman, *(path for name in _CONFIGURATION for path in configuration_files(name))):
        with contextlib.suppress(OSError):
            found = os.stat(path)
            parts.append(f"{path} {found.st_ino} {found.st_size} {found.st_mtime_ns}")
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:12]


def configuration_files(name: str) -> Iterator[str]:
    """Yield the possible paths of a configuration file such as ``containers.conf``."""
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    yield f"/etc/containers/{name}"
    yield f"{config}/containers/{name}"
    if named := os.environ.get(_CONFIGURATION[name]):
        yield named
