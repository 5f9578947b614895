"""What the user should know before a container runs: limits that do not hold, and isolation that is given up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from buildr.host import console

if TYPE_CHECKING:
    from buildr.engines.protocol import Backend
    from buildr.options import Runtime

__all__ = ["warn_of_limits", "warn_of_network"]

_UNIFIED_CGROUPS = "/sys/fs/cgroup/cgroup.controllers"  # there with version 2 alone, see cgroups(7)


def warn_of_limits(backend: Backend, runtime: Runtime) -> None:
    """Warn of limits that will not hold: only root can set them in version 1 of cgroups, and engines say nothing."""
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
    """Warn that a guest in the network of the host is not isolated from it."""
    if any(item.name == "host" for item in runtime.network):
        console.warn(
            "the guest shares the network of the engine's host: it reaches what listens on 127.0.0.1 there, and"
            " others reach what it listens on"
        )
