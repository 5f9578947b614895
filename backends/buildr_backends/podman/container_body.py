"""A container's specification as Podman takes it (libpod API 4.0, "Create a container": ``SpecGenerator``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildr.engines.container_spec import (
    dropped_capabilities,
    health_config,
    restart_policy,
    tmpfs_options,
)
from buildr.engines.gpus import cdi_names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.engines.container_spec import ContainerSpec, Network

_ULIMITS = 1 << 64  # limits are written modulo this: -1, no limit, becomes the largest number
_SHM_BYTES = 64 << 20  # Docker's; Podman's own is 1.5 MB less


def create_body(spec: ContainerSpec, *, unset: Sequence[str]) -> dict[str, Any]:
    """Return what ``POST /libpod/containers/create`` takes.

    Args:
        spec: the container.
        unset: variables that Podman would set on its own.
    """
    body: dict[str, Any] = {
        "image": spec.image,
        "env": dict(spec.environment),
        "unsetenv": list(unset),
        "manage_password": False,  # no entry in /etc/passwd for the guest's user
        "shm_size": spec.shm_size or _SHM_BYTES,
        "labels": dict(spec.labels),
        "terminal": spec.tty,
        "stdin": spec.stdin,
        **({} if spec.logged else {"log_configuration": {"driver": "none"}}),
        "no_new_privileges": True,
        "cap_drop": dropped_capabilities(spec),
        "stop_timeout": max(0, round(spec.grace_seconds)),
        "portmappings": [
            {
                "host_ip": port.host_ip,
                "host_port": port.host,
                "container_port": port.container,
                "protocol": port.protocol,
            }
            for port in spec.ports
        ],
        "mounts": [
            {
                "type": "bind",
                "source": mount.source,
                "destination": mount.target,
                "options": ["rbind", "ro" if mount.read_only else "rw"]
                + ([mount.relabel] if mount.relabel else []),
            }
            for mount in spec.mounts
            if mount.kind == "bind"
        ],
        "volumes": [
            {
                "Name": mount.source,
                "Dest": mount.target,
                "Options": ["ro" if mount.read_only else "rw"]
                + ([mount.relabel] if mount.relabel else []),
            }
            for mount in spec.mounts
            if mount.kind == "volume"
        ],
    }
    if spec.name:
        body["name"] = spec.name
    if spec.entrypoint:
        body["entrypoint"] = list(spec.entrypoint)
    if spec.command:
        body["command"] = list(spec.command)
    if spec.workdir:
        body["work_dir"] = spec.workdir
    if spec.user:
        body["user"] = spec.user
    body.update(_life(spec))
    body.update(_networks(spec.networks))
    body.update(_limits(spec))
    if devices := _devices(spec):
        body["devices"] = [{"path": device} for device in devices]
    if spec.hardened:
        body["read_only_filesystem"] = True
    # Podman would copy into them what the image has there.
    body["mounts"] += [
        {"type": "tmpfs", "destination": path, "options": [*options, "notmpcopyup"]}
        for path, options in tmpfs_options(spec).items()
    ]
    return body


def _networks(networks: Sequence[Network]) -> dict[str, Any]:
    if not networks:
        return {}
    if networks[0].name in {"none", "host"}:
        return {"netns": {"nsmode": networks[0].name}}
    names = {
        network.name: {"aliases": list(network.aliases)} if network.aliases else {}
        for network in networks
    }
    return {"netns": {"nsmode": "bridge"}, "networks": names}


def _limits(spec: ContainerSpec) -> dict[str, Any]:
    resources: dict[str, Any] = {}
    if spec.cpus:
        resources["cpu"] = {"period": 100_000, "quota": round(spec.cpus * 100_000)}
    if spec.memory:
        # As `podman run --memory` does: swap as large again.
        resources["memory"] = {"limit": spec.memory, "swap": 2 * spec.memory}
    if spec.pids_limit:
        resources["pids"] = {"limit": spec.pids_limit}
    processes = [
        {"type": limit.name, "soft": limit.soft % _ULIMITS, "hard": limit.hard % _ULIMITS}
        for limit in spec.ulimits
    ]
    found = {"resource_limits": resources, "r_limits": processes}
    return {name: value for name, value in found.items() if value}


def _devices(spec: ContainerSpec) -> list[str]:
    found = [
        f"{device.host}:{device.container}:{device.access}" if device.container else device.host
        for device in spec.devices
    ]
    return found + cdi_names(spec.gpus)


def _life(spec: ContainerSpec) -> dict[str, Any]:
    """Return what Podman does about a container while and after it runs."""
    found: dict[str, Any] = {}
    if spec.health is not None:
        found["healthconfig"] = health_config(spec.health)
    if spec.restart != "no":
        found["restart_policy"], tries = restart_policy(spec)
        if tries:
            found["restart_tries"] = tries
    return found
