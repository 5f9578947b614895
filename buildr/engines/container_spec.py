"""The specification that an engine creates a container from, and its parts.

Parts that an engine takes as the user wrote them are the records of `buildr.options`. Mounts and devices have records of their own: the
options name sources that may be relative, these hold the absolute paths that were found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from buildr.options.health import HealthCheck
from buildr.options.networks import Network
from buildr.options.ports import Port
from buildr.options.tmpfs import Tmpfs
from buildr.options.ulimits import Ulimit

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "DEFAULT_PIDS",
    "ContainerSpec",
    "DeviceSpec",
    "HealthCheck",
    "MountSpec",
    "Network",
    "Port",
    "Tmpfs",
    "Ulimit",
    "health_config",
    "restart_policy",
    "tmpfs_options",
]


class MountSpec(Struct, frozen=True, kw_only=True):
    """A directory or file of the host, or a named volume, inside the container."""

    kind: Literal["bind", "volume"]
    source: str
    """An absolute path, or a volume's name."""
    target: str
    read_only: bool = False
    relabel: Literal["", "z", "Z"] = ""
    """SELinux label: shared or private."""


DEFAULT_PIDS = 2048
"""How many processes and threads a container may have, on engines that have no limit by default."""

DROPPED_CAPABILITIES = ("AUDIT_WRITE", "MKNOD", "NET_RAW")
"""Capabilities that no guest gets, not even as root: Docker and older versions of Podman grant these by default, newer versions of Podman do not."""

_TMPFS = ("rw", "nosuid", "nodev", "noexec", "mode=1777")
"""Mount options of directories in memory; all are given, since the engines' defaults differ."""


class DeviceSpec(Struct, frozen=True, kw_only=True):
    """A device of the host."""

    host: str
    """An absolute path; or a name of the Container Device Interface, ``vendor.com/class=name``."""
    container: str = ""
    """An absolute path; empty for a name."""
    access: str = "rwm"
    """Of ``r``, ``w``, and ``m`` for making nodes."""


class ContainerSpec(Struct, frozen=True, kw_only=True):
    """A container to create. What is ``None`` or empty is left as the image has it."""

    image: str
    command: tuple[str, ...] = ()
    """Replaces the image's CMD; its ENTRYPOINT stays."""
    entrypoint: tuple[str, ...] = ()
    """Replaces the image's ENTRYPOINT; only together with `command`."""
    environment: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    name: str | None = None
    workdir: str | None = None
    user: str | None = None
    tty: bool = False
    stdin: bool = True
    """Whether it takes input; otherwise its standard input is ``/dev/null``."""
    ports: tuple[Port, ...] = ()
    mounts: tuple[MountSpec, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    """Directories in memory. Anybody in the container may write to one, unless the image has a directory there: then its
    permissions hold."""
    cpus: float | None = None
    memory: int | None = None
    """Bytes."""
    shm_size: int | None = None
    """Bytes of ``/dev/shm``; ``None``: 64 MiB."""
    pids_limit: int | None = None
    """Processes and threads; ``None``: `DEFAULT_PIDS`, or the engine's own default limit."""
    ulimits: tuple[Ulimit, ...] = ()
    devices: tuple[DeviceSpec, ...] = ()
    gpus: int | tuple[str, ...] | None = None
    """How many GPUs, -1 for all; or which, by number or UUID."""
    networks: tuple[Network, ...] = ()
    """A single one named ``none`` or ``host`` is that mode; empty: the engine's default, a private network."""
    health: HealthCheck | None = None
    """``None``: the image's own."""
    restart: str = "no"
    """Whether the engine starts it again when it has ended: ``no``, ``always``, ``unless-stopped``, ``on-failure``, or
    ``on-failure:3`` with the greatest number of restarts."""
    grace_seconds: float = 10
    """Between the engine's SIGTERM and its SIGKILL, when the engine itself stops the container."""
    logged: bool = True
    """Whether the engine keeps its output as a log; otherwise it need not write all of it to a disk."""
    hardened: bool = False
    """Drop every capability and mount the root read-only, ``/tmp`` and the home as tmpfs."""
    home: str = ""
    """The guest's home directory, for `hardened`."""
    image_variables: tuple[str, ...] | None = None
    """Names of the variables that the image sets, if known: a backend that needs them then does not inspect the image."""


def tmpfs_options(spec: ContainerSpec) -> dict[str, list[str]]:
    """Return the directories in memory, each with its options: those asked for, and what a hardened container needs.

    The latter are ``/tmp`` and the home directory, where nothing is mounted anyway.
    """
    found = {
        item.target: [*_TMPFS, *([] if item.size is None else [f"size={item.size}"])]
        for item in spec.tmpfs
    }
    if spec.hardened:
        mounted = {mount.target for mount in spec.mounts}
        for path in ("/tmp", spec.home):  # noqa: S108 - inside the container
            if path and path not in mounted:
                found.setdefault(path, list(_TMPFS))
    return found


def dropped_capabilities(spec: ContainerSpec) -> list[str]:
    """Return the capabilities to drop from those that the engine grants by default."""
    return ["ALL"] if spec.hardened else list(DROPPED_CAPABILITIES)


def health_config(health: HealthCheck) -> dict[str, object]:
    """Return a health check as both engines take it: times are in nanoseconds, and all are given, since Podman has no defaults here."""
    return {
        "Test": list(health.test),
        "Interval": round(health.interval * 1e9),
        "Timeout": round(health.timeout * 1e9),
        "Retries": health.retries,
        "StartPeriod": round(health.start_period * 1e9),
    }


def restart_policy(spec: ContainerSpec) -> tuple[str, int]:
    """Return the name of a container's restart policy, and how often it may be restarted; 0: no limit."""
    name, _, tries = spec.restart.partition(":")
    return name, int(tries or 0)
