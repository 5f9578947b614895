"""A container's specification as Podman takes it (libpod API 4.0, "Create a container": ``SpecGenerator``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildr.engines.container_spec import (
    dropped_capabilities,
    restart_policy,
    tmpfs_options,
)
from buildr.engines.gpus import cdi_names
from buildr_backends.shared.container_fields import container_fields

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
    body = container_fields(spec, "libpod")
    body.setdefault("shm_size", _SHM_BYTES)
    body |= {
        "env": dict(spec.environment),
        "unsetenv": list(unset),
        "manage_password": False,  # no entry in /etc/passwd for the guest's user
        "no_new_privileges": True,
        "cap_drop": dropped_capabilities(spec),
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
    if not spec.logged:
        body["log_configuration"] = {"driver": "none"}
    if spec.hardened:
        body["read_only_filesystem"] = True
    if spec.restart != "no":
        body["restart_policy"], tries = restart_policy(spec)
        if tries:
            body["restart_tries"] = tries
    body |= _networks(spec.networks)
    _add_limits(body, spec)
    if devices := _devices(spec):
        body["devices"] = [{"path": device} for device in devices]
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


def _add_limits(body: dict[str, Any], spec: ContainerSpec) -> None:
    if spec.memory:
        # As `podman run --memory` does: swap as large again.
        body["resource_limits"]["memory"]["swap"] = 2 * spec.memory
    if spec.cpus:
        cpu = {"period": 100_000, "quota": round(spec.cpus * 100_000)}
        body.setdefault("resource_limits", {})["cpu"] = cpu
    if spec.ulimits:
        body["r_limits"] = [
            {"type": limit.name, "soft": limit.soft % _ULIMITS, "hard": limit.hard % _ULIMITS}
            for limit in spec.ulimits
        ]


def _devices(spec: ContainerSpec) -> list[str]:
    found = [
        f"{device.host}:{device.container}:{device.access}" if device.container else device.host
        for device in spec.devices
    ]
    return found + cdi_names(spec.gpus)
