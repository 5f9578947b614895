"""Warnings before a container runs: limits that will not apply, and missing isolation."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from buildr.host import cache, console

if TYPE_CHECKING:
    from buildr.engines.protocol import Backend
    from buildr.options import Runtime

__all__ = ["warn_of_limits", "warn_of_neighbours", "warn_of_network"]

_FORWARDING = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")
_LOOPBACK = ("127.", "::1")
_KIND = "warned-of-neighbours"
_UNIFIED_CGROUPS = (
    "/sys/fs/cgroup/cgroup.controllers"  # exists only with cgroups version 2, see cgroups(7)
)


def warn_of_limits(backend: Backend, runtime: Runtime) -> None:
    """Warn about limits that will not apply: with version 1 of cgroups only root can set them, and engines do not report it."""
    info = backend.info
    if not info.rootless or info.remote or os.path.exists(_UNIFIED_CGROUPS):
        return
    limits = (
        ("cpus", runtime.cpus),
        ("memory", runtime.memory),
        ("pids_limit", runtime.pids_limit),
    )
    if ignored := [name for name, value in limits if value is not None]:
        console.warn(
            f"{' and '.join(ignored)} will not hold: a rootless engine can set limits only where the host has"
            " cgroups version 2"
        )


def warn_of_network(runtime: Runtime) -> None:
    """Warn about a guest in the host's network, which is not isolated."""
    if any(item.name == "host" for item in runtime.network):
        console.warn(
            "the guest shares the network of the engine's host: it reaches what listens on 127.0.0.1 there, and"
            " others reach what it listens on"
        )


def warn_of_neighbours(backend: Backend, runtime: Runtime) -> None:
    """Warn, once per engine, that a port on 127.0.0.1 is reachable from other machines at the container's own address."""
    info = backend.info
    ports = [port for port in runtime.ports if port.host_ip.startswith(_LOOPBACK)]
    apart = not any(item.name in ("host", "none") for item in runtime.network)
    if not (info.routed and ports and apart) or info.remote or not any(map(_is_on, _FORWARDING)):
        return
    name = cache.key(info.backend, info.version, info.endpoint)
    if cache.load(_KIND, name) is not None:
        return
    cache.store(_KIND, name, b"")
    console.warn(
        f"port {ports[0].container} is bound to {ports[0].host_ip}, and yet machines of the local network can reach it at the"
        " container's own address, since this engine runs as root and this host forwards packets (net.ipv4.ip_forward). Rootless"
        " Podman and Docker 28 or newer keep them out. This is said once"
    )


def _is_on(path: str) -> bool:
    try:
        with open(path, encoding="ascii") as file:
            return file.read(8).strip() == "1"
    except OSError:
        return False
