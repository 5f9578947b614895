"""A container's specification as Docker takes it (Docker Engine API 1.41, "Create a container")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildr.engines.container_spec import (
    DEFAULT_PIDS,
    dropped_capabilities,
    restart_policy,
    tmpfs_options,
)
from buildr_backends.shared.container_fields import container_fields

if TYPE_CHECKING:
    from buildr.engines.container_spec import ContainerSpec, MountSpec

_HOST_NAME = "host.containers.internal"  # the name that Podman gives to the host
_GATEWAY = "host-gateway"


def create_body(spec: ContainerSpec) -> dict[str, Any]:
    """Return what ``POST /containers/create`` takes."""
    body = container_fields(spec, "docker")
    body |= {
        "Env": [f"{key}={value}" for key, value in spec.environment.items()],
        "StdinOnce": spec.stdin,
        "AttachStdin": spec.stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "ExposedPorts": {f"{port.container}/{port.protocol}": {} for port in spec.ports},
    }
    host = body.setdefault("HostConfig", {})
    host |= {
        "PortBindings": _port_bindings(spec),
        "Mounts": [_mount(mount) for mount in spec.mounts if not mount.relabel],
        # The `Mounts` field has no SELinux labels; the older form does.
        "Binds": [
            f"{mount.source}:{mount.target}:{'ro' if mount.read_only else 'rw'},{mount.relabel}"
            for mount in spec.mounts
            if mount.relabel
        ],
        "SecurityOpt": ["no-new-privileges"],
        "CapDrop": dropped_capabilities(spec),
        "ExtraHosts": [f"{_HOST_NAME}:{_GATEWAY}"],
    }
    if not spec.logged:
        host["LogConfig"] = {"Type": "none"}
    if spec.hardened:
        host["ReadonlyRootfs"] = True
    # Podman has this limit by itself, where it can set one; containers.conf changes it.
    host.setdefault("PidsLimit", DEFAULT_PIDS)
    host |= _restart(spec) | _devices(spec) | _limits(spec)
    for network in spec.networks[:1]:
        host["NetworkMode"] = network.name
        if network.aliases:
            endpoint = {"Aliases": list(network.aliases)}
            body["NetworkingConfig"] = {"EndpointsConfig": {network.name: endpoint}}
    if directories := tmpfs_options(spec):
        host["Tmpfs"] = {path: ",".join(options) for path, options in directories.items()}
    return body


def _restart(spec: ContainerSpec) -> dict[str, Any]:
    if spec.restart == "no":
        return {}
    name, tries = restart_policy(spec)
    return {"RestartPolicy": {"Name": name, "MaximumRetryCount": tries}}


def _devices(spec: ContainerSpec) -> dict[str, Any]:
    requests: list[dict[str, Any]] = []
    if names := [device.host for device in spec.devices if not device.container]:
        requests.append({"Driver": "cdi", "DeviceIDs": names})
    if isinstance(spec.gpus, int):
        requests.append({"Count": spec.gpus, "Capabilities": [["gpu"]]})
    elif spec.gpus:
        requests.append({"DeviceIDs": list(spec.gpus), "Capabilities": [["gpu"]]})
    paths = [
        {
            "PathOnHost": device.host,
            "PathInContainer": device.container,
            "CgroupPermissions": device.access,
        }
        for device in spec.devices
        if device.container
    ]
    found = {"Devices": paths, "DeviceRequests": requests}
    return {name: value for name, value in found.items() if value}


def _limits(spec: ContainerSpec) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if spec.ulimits:
        found["Ulimits"] = [
            {"Name": limit.name, "Soft": limit.soft, "Hard": limit.hard} for limit in spec.ulimits
        ]
    if spec.cpus:
        found["NanoCpus"] = round(spec.cpus * 1e9)
    return found


def _port_bindings(spec: ContainerSpec) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in spec.ports:
        row = {"HostIp": port.host_ip, "HostPort": str(port.host) if port.host else ""}
        bindings.setdefault(f"{port.container}/{port.protocol}", []).append(row)
    return bindings


def _mount(mount: MountSpec) -> dict[str, Any]:
    return {
        "Type": mount.kind,
        "Source": mount.source,
        "Target": mount.target,
        "ReadOnly": mount.read_only,
    }
