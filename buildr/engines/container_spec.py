"""The specification of a container to create, and its parts.

Parts that need no processing are the records of `buildr.options`. Mounts and devices have separate records, since
sources in options may be relative, and these records have resolved absolute paths.
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
"""The default limit of processes and threads, for engines without one."""

DROPPED_CAPABILITIES = ("AUDIT_WRITE", "MKNOD", "NET_RAW")
"""Capabilities that no guest gets, not even as root: Docker and older versions of Podman grant these by default,
newer versions of Podman do not.
"""

_TMPFS = ("rw", "nosuid", "nodev", "noexec", "mode=1777")
"""Mount options of tmpfs directories; all are given, since the engines' defaults differ."""


class DeviceSpec(Struct, frozen=True, kw_only=True):
    """A device of the host."""

    host: str
    """An absolute path; or a name of the Container Device Interface, ``vendor.com/class=name``."""
    container: str = ""
    """An absolute path; empty for a name."""
    access: str = "rwm"
    """Of ``r``, ``w``, and ``m`` for making nodes."""


class ContainerSpec(Struct, frozen=True, kw_only=True):
    """A container to create. Fields that are ``None`` or empty are left to the image."""

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
    """Tmpfs directories. They are world-writable, unless the image has a directory there, whose permissions then
    apply.
    """
    cpus: float | None = None
    memory: int | None = None
    """Bytes."""
    shm_size: int | None = None
    """The size of ``/dev/shm`` in bytes; ``None``: 64 MiB."""
    pids_limit: int | None = None
    """Processes and threads; ``None``: `DEFAULT_PIDS`, or the engine's own default limit."""
    ulimits: tuple[Ulimit, ...] = ()
    devices: tuple[DeviceSpec, ...] = ()
    gpus: int | tuple[str, ...] | None = None
    """How many GPUs, -1 for all; or which, by number or UUID."""
    networks: tuple[Network, ...] = ()
    """A single ``none`` or ``host`` is a mode; empty: the engine's default, a private network."""
    health: HealthCheck | None = None
    """``None``: the image's own."""
    restart: str = "no"
    """Whether the engine starts it again when it has ended: ``no``, ``always``, ``unless-stopped``, ``on-failure``, or
    ``on-failure:3`` with the greatest number of restarts."""
    grace_seconds: float = 10
    """The time between SIGTERM and SIGKILL if the engine itself stops the container."""
    logged: bool = True
    """Whether the engine keeps the output as a log on disk."""
    hardened: bool = False
    """Drop every capability and mount the root read-only, ``/tmp`` and the home as tmpfs."""
    home: str = ""
    """The guest's home directory, for `hardened`."""
    image_variables: tuple[str, ...] | None = None
    """Names of the variables that the image sets, if known: a backend that needs them then does not inspect the image."""


def tmpfs_options(spec: ContainerSpec) -> dict[str, list[str]]:
    """Return the tmpfs directories with their options: the requested ones, and those of a hardened container.

    The latter are ``/tmp`` and the home directory, unless something else is mounted there.
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
    """Return a health check in the form of both engines, with all times, in nanoseconds, since Podman has no defaults."""
    return {
        "Test": list(health.test),
        "Interval": round(health.interval * 1e9),
        "Timeout": round(health.timeout * 1e9),
        "Retries": health.retries,
        "StartPeriod": round(health.start_period * 1e9),
    }


def restart_policy(spec: ContainerSpec) -> tuple[str, int]:
    """Return the name of a container's restart policy and the maximum number of restarts; 0: no limit."""
    name, _, tries = spec.restart.partition(":")
    return name, int(tries or 0)
