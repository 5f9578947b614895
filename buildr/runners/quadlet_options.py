"""Options of a run in a unit: values of keys, and options of ``podman run`` for the rest."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.engines.container_spec import ContainerSpec, tmpfs_options
from buildr.engines.gpus import cdi_names
from buildr.errors import Message, OptionError, OptionName
from buildr.options import GROUPS
from buildr.runners.unit_text import doubled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.engines.container_spec import MountSpec
    from buildr.options import Runtime
    from buildr.options.ports import Port


class Service(Struct, frozen=True, kw_only=True):
    """The service of a unit."""

    name: str
    """The name of the unit, without ``.container``."""
    image: str
    """The image's full reference."""
    runtime: Runtime
    command: tuple[str, ...]
    """Replaces the image's CMD; empty: the image's own."""
    workdir: str
    """Replaces the image's working directory; empty: the image's own."""
    home: str
    """The home directory in the image, for a hardened container; empty: unknown."""
    secrets: tuple[tuple[str, str], ...]
    """Variables whose values are Podman secrets, with the secrets' names."""


def podman_arguments(service: Service, mounts: tuple[MountSpec, ...]) -> Iterator[str]:
    """Yield options of ``podman run`` for which the first version of the generator has no key."""
    runtime = service.runtime
    yield f"--stop-timeout={grace(runtime)}"
    if service.workdir:
        yield f"--workdir={service.workdir}"
    for variable, secret in service.secrets:
        yield f"--secret={secret},type=env,target={variable}"
    yield from _same_flags(runtime)
    yield from _health(runtime)
    for device in (*runtime.devices, *cdi_names(runtime.gpus)):
        yield f"--device={device}"
    for network in runtime.network:
        aliases = ",".join(f"alias={alias}" for alias in network.aliases)
        yield f"--network={network.name}" + (f":{aliases}" if aliases else "")
    if runtime.hardened:
        yield "--read-only-tmpfs=false"  # tmpfs directories are added below
    spec = ContainerSpec(
        image=service.image,
        mounts=mounts,
        tmpfs=runtime.tmpfs,
        hardened=runtime.hardened,
        home=service.home,
    )
    for path, options in tmpfs_options(spec).items():
        yield f"--tmpfs={path}:{','.join((*options, 'notmpcopyup'))}"


def _same_flags(runtime: Runtime) -> Iterator[str]:
    """Yield the given options for which ``podman run`` has the same flag."""
    for name, option in GROUPS["runtime"].items():
        value = getattr(runtime, name) if option.podman_run else None
        for item in value if isinstance(value, tuple) else (value,):
            if item is not None:
                text = f"{item:g}" if isinstance(item, float) else str(item)
                yield f"{option.long_flag}={text}"


def _health(runtime: Runtime) -> Iterator[str]:
    """Yield the health check; the generator supports ``HealthCmd=`` only since 4.5."""
    if (health := runtime.healthcheck) is None:
        return
    # Podman reads a JSON list as words, and anything else as a shell command.
    kind, *words = health.test
    yield f"--health-cmd={words[0] if kind == 'CMD-SHELL' else json.dumps([kind, *words])}"
    yield f"--health-interval={health.interval:g}s"
    yield f"--health-timeout={health.timeout:g}s"
    yield f"--health-retries={health.retries}"
    yield f"--health-start-period={health.start_period:g}s"


def grace(runtime: Runtime) -> int:
    """Return the grace period in whole seconds, as Podman and systemd require."""
    return math.ceil(runtime.grace_seconds)


def port_text(port: Port) -> str:
    """Return the value of ``PublishPort=``."""
    host = port.bracketed_ip
    parts = [host] if host else []
    parts += [str(port.host or "")] if port.host or host else []
    protocol = "" if port.protocol == "tcp" else f"/{port.protocol}"
    return ":".join((*parts, str(port.container))) + protocol


def volume_text(mount: MountSpec) -> str:
    """Return the value of ``Volume=``.

    Raises:
        OptionError: it cannot be written into a unit.
    """
    options = [*(["ro"] if mount.read_only else []), *([mount.relabel] if mount.relabel else [])]
    text = ":".join((mount.source, mount.target, *([",".join(options)] if options else [])))
    problem = ""
    if mount.kind == "volume" and mount.source.endswith(".volume"):
        problem = "Podman's generator takes that for the name of another unit"
    elif ":" in mount.source or ":" in mount.target:
        problem = "it has a colon, which ends a path there"
    elif not text.isprintable() or text.endswith(("\\", " ")):
        problem = "it has a character that a line of a unit cannot have there"
    if problem:
        raise OptionError(
            Message(OptionName("runtime.mounts"), f" cannot be {text!r} in a unit: {problem}"),
            hint="Give it another name.",
        )
    return doubled(text)
