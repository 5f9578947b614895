"""The fields of a container's specification that engines accept unchanged, with their places in both requests.

What the engines take in different shapes (ports, mounts, networks) is in the `container_body` of each adapter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.engines.container_spec import health_config

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    from buildr.engines.container_spec import ContainerSpec

__all__ = ["container_fields"]

_FIELDS: dict[str, tuple[str, str, Callable[[Any], object] | None]] = {
    "image": ("Image", "image", None),
    "command": ("Cmd", "command", list),
    "entrypoint": ("Entrypoint", "entrypoint", list),
    "labels": ("Labels", "labels", dict),
    "workdir": ("WorkingDir", "work_dir", None),
    "user": ("User", "user", None),
    "tty": ("Tty", "terminal", None),
    "stdin": ("OpenStdin", "stdin", None),
    "memory": ("HostConfig.Memory", "resource_limits.memory.limit", None),
    "shm_size": ("HostConfig.ShmSize", "shm_size", None),
    "pids_limit": ("HostConfig.PidsLimit", "resource_limits.pids.limit", None),
    "health": ("Healthcheck", "healthconfig", health_config),
    "grace_seconds": ("StopTimeout", "stop_timeout", round),
}
"""By field: the path in Docker's request, the path in libpod's, and a function that makes the value that both take."""


def container_fields(spec: ContainerSpec, api: Literal["docker", "libpod"]) -> dict[str, Any]:
    """Return the part of a request to create a container that holds these fields, without those that are ``None`` or empty."""
    body: dict[str, Any] = {}
    for name, (docker, libpod, convert) in _FIELDS.items():
        value = getattr(spec, name)
        if value in (None, "", ()):
            continue
        *parents, key = (docker if api == "docker" else libpod).split(".")
        table = body
        for parent in parents:
            table = table.setdefault(parent, {})
        table[key] = convert(value) if convert else value
    return body
