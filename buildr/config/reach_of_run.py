"""The requests of options of the run beyond the project: see `buildr.config.reach`."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from buildr.engines.registry import is_built_in
from buildr.errors import BuildrError
from buildr.options.declaration import KUBERNETES
from buildr.options.ports import is_local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildr.config.given import Given

_MOST_CALL_BYTES = 64 << 20  # of JSON, which can take thirty times as much memory once it is read
_RUNNERS = "buildr.runners"  # entry points


def _executor(_given: Given, value: str) -> Iterator[str]:
    if is_built_in(value):
        return
    from buildr.host.plugins import plugin_names  # which costs as much as the rest

    if value.lower() in {KUBERNETES, *map(str.lower, plugin_names(_RUNNERS))}:
        yield f"{value} to run it, in place of an engine of this host"


def _ports(_given: Given, value: Any) -> Iterator[str]:
    yield from (
        f"port {port.address} open to other machines" for port in value if not is_local(port)
    )


def _public(given: Given, value: bool) -> Iterator[str]:
    if value and given.runtime.ports:
        yield "ports open to other machines"


def _debug(given: Given, value: Any) -> Iterator[str]:
    yield from _ports(given, (value,))


def _env(given: Given, _value: Any) -> Iterator[str]:
    yield from (f"your variable {name}" for name in given.passed)


def _env_file(given: Given, value: Any) -> Iterator[str]:
    from buildr.plan.env_files import read_env_files

    for named in value:
        if path := given.outside(named, given.places.start):
            yield f"the variables in {path}"
            continue
        try:
            found = read_env_files((named,), given.places.start)
        except BuildrError:
            continue  # reported where it is used
        for name, text in found.items():
            if text is None and name not in given.runtime.env:
                yield f"your variable {name}, by {named}"


def _mounts(given: Given, value: Any) -> Iterator[str]:
    for mount in value:
        if mount.is_volume:
            yield f"the engine's volume {mount.source}, which others may use"
            continue
        access = "to read" if mount.read_only else "to read and write"
        if path := given.outside(mount.source, given.places.start):
            yield f"{path} of this host, {access}"
        elif not mount.read_only:
            source = os.path.join(given.places.start, os.path.expanduser(mount.source))
            yield from _hosts_own(given, source)


def _outputs(given: Given, value: Any) -> Iterator[str]:
    context = given.places.context
    for name in given.places.folder.names_run_by_host(context):
        if any(fnmatchcase(name, pattern.partition("/")[0]) for pattern in value):
            yield from _hosts_own(given, f"{context}/{name}")


def _mount_source(given: Given, value: bool) -> Iterator[str]:
    if value:
        yield from _hosts_own(given, given.places.context)


def _hosts_own(given: Given, source: str) -> Iterator[str]:
    """Yield what of a folder of the project's that can be written is not of the project: this host runs it."""
    if found := given.places.folder.run_by_host(source):
        yield f"{found} to write, which holds programs that this host runs"


def _devices(_given: Given, value: Any) -> Iterator[str]:
    yield from (f"the device {device}" for device in value)


def _gpus(_given: Given, _value: Any) -> Iterator[str]:
    yield "GPUs of this host"


def _network(_given: Given, value: Any) -> Iterator[str]:
    for network in value:
        if network.name == "host":
            yield "the network of this host, with what listens on 127.0.0.1 there"
        elif network.name != "none":
            yield f"the engine's network {network.name}, with the containers in it"


def _restart(_given: Given, value: str) -> Iterator[str]:
    if value in ("always", "unless-stopped"):
        yield "to be started again whenever it ends, also with the machine"


def _call_limit(_given: Given, value: int) -> Iterator[str]:
    if value > _MOST_CALL_BYTES:
        yield f"results of {value >> 20} MiB in the memory of this host"


def _call_format(_given: Given, value: str) -> Iterator[str]:
    if value == "pickle":
        yield "results by pickle, by which the container can run code on this host"


def _cluster(_given: Given, _value: Any) -> Iterator[str]:
    yield "instances in a cluster, as it says"


RULES: dict[str, Callable[[Given, Any], Iterator[str]]] = {
    "backend": _executor,
    "runtime.executor": _executor,
    "runtime.ports": _ports,
    "runtime.public": _public,
    "runtime.debug": _debug,
    "runtime.env": _env,
    "runtime.env_file": _env_file,
    "runtime.outputs": _outputs,
    "runtime.mounts": _mounts,
    "runtime.mount_source": _mount_source,
    "runtime.devices": _devices,
    "runtime.gpus": _gpus,
    "runtime.network": _network,
    "runtime.restart": _restart,
    "runtime.call_limit": _call_limit,
    "runtime.call_format": _call_format,
    "runtime.shard_spec": _cluster,
    "runtime.job_spec": _cluster,
}
"""What each option may ask for, by its key."""
