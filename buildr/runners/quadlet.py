r"""The runner that writes a plan down as a unit of the user's systemd, for rootless Podman: ``buildr quadlet``.

Podman's generator (podman-systemd.unit(5), "Quadlet") makes a service of a ``.container`` file. Only keys that its first
version, of Podman 4.4, has are written, because it refuses a file with one that it does not know; what came later stands in
``PodmanArgs``.

What is written goes through two readers. The generator takes words apart by the rules of systemd.syntax(7), and writes them into
``ExecStart``; systemd then replaces ``%`` (systemd.unit(5), "Specifiers") and ``$`` (systemd.service(5), "Command lines"), which the
generator leaves as they are. So both are doubled in everything that gets there.
"""

from __future__ import annotations

import json
import math
import os
import re
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr._version import __version__
from buildr.engines.container_spec import DROPPED_CAPABILITIES, ContainerSpec, tmpfs_options
from buildr.engines.gpus import cdi_names
from buildr.engines.records import EngineInfo
from buildr.errors import Message, OptionError, OptionName
from buildr.guest.init import PUBLISHED
from buildr.layout import APP
from buildr.runners.container import find_mount, user_of
from buildr.runners.manifest import MARK
from buildr.runners.protocol import Manifest
from buildr.runners.quadlet_secrets import secret_arguments, written_variables
from buildr.runners.unit_text import argument, comment, doubled, word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.engines.container_spec import MountSpec
    from buildr.options import Runtime
    from buildr.options.ports import Port
    from buildr.runners.plan import RunPlan

__all__ = ["render"]

_START_SECONDS = (
    900  # Podman may have to pull the image first, which the usual 90 seconds are few for
)
_MORE_SECONDS = 10  # systemd's own patience, beyond the grace after which Podman kills
_VALUES = re.compile(rf"^(?:Exec=|Environment=(?!\"?{PUBLISHED}=))", re.MULTILINE)
_HERE = EngineInfo(
    backend="podman", version="", rootless=True, remote=False, endpoint="", found="systemd"
)


class _Service(Struct, frozen=True, kw_only=True):
    """What runs."""

    name: str
    """That of the unit, without its end."""
    image: str
    """A full reference."""
    runtime: Runtime
    command: tuple[str, ...]
    """In place of the image's CMD; empty: that stays."""
    workdir: str
    """In place of the image's; empty: that stays."""
    home: str
    """The home directory in the image, for a hardened container; empty: not known."""
    secrets: tuple[tuple[str, str], ...]
    """Variables that Podman's secrets give their values, each with the secret's name."""


def render(plan: RunPlan, name: str) -> Manifest:
    """Return the text of a ``.container`` file; see `buildr.runners.protocol.Renderer.render`.

    Raises:
        OptionError: an option or an argument cannot stand in such a file.
        ContainerError: a mount's source or a file of variables is not there.
    """
    runtime = plan.runtime
    if runtime.mount_source:
        raise OptionError(
            Message(
                OptionName("runtime.mount_source"),
                " is for working on a script: a service runs what is in its image",
            ),
            hint="Leave it out, or name a mount.",
        )
    service = _service(plan, name)
    notes: list[str] = []
    sections = {
        "Unit": [("Description", f"{name} (buildr)"), *_start_limit(runtime)],
        "Container": list(_container(service, notes)),
        "Service": [
            ("Restart", _restart(runtime)),
            ("TimeoutStartSec", str(_START_SECONDS)),
            ("TimeoutStopSec", str(_grace(runtime) + _MORE_SECONDS)),
        ],
        "Install": [("WantedBy", "default.target")],
    }
    lines = [f"{MARK}{__version__}: podman-systemd.unit(5) documents the keys."]
    lines += [f"# {comment(note)}" for note in notes]
    for section, rows in sections.items():
        lines += ["", f"[{section}]", *(f"{key}={value}" for key, value in rows)]
    text = "\n".join(lines) + "\n"
    return Manifest(
        files={f"{name}.container": text},
        image=service.image,
        notes=tuple(notes),
        private=_VALUES.search(text) is not None,
    )


def _service(plan: RunPlan, name: str) -> _Service:
    project, arguments = plan.project, plan.entry.arguments if plan.entry else ()
    if project is None:
        return _Service(
            name=name,
            image=plan.image,
            runtime=plan.runtime,
            command=plan.command,
            workdir="",
            home="",
            secrets=plan.stored_secrets,
        )
    own = project.dockerfile is not None
    if own and arguments:
        raise OptionError(
            f"package.dockerfile and arguments ({arguments[0]!r}) exclude each other in a unit: the CMD of"
            " your Containerfile is not read here",
            hint="Put the arguments into its CMD.",
        )
    workdir = project.placement.workdir
    return _Service(
        name=name,
        image=project.reference,
        runtime=plan.runtime,
        command=(*project.placement.command, *arguments) if arguments else (),
        workdir="" if own or workdir == APP else workdir,
        home="" if own else project.recipe.home,
        secrets=plan.stored_secrets,
    )


def _container(service: _Service, notes: list[str]) -> Iterator[tuple[str, str]]:
    runtime = service.runtime
    mounts = tuple(find_mount(_HERE, mount, os.getcwd()) for mount in runtime.mounts)
    yield "Image", service.image
    if runtime.name:
        yield "ContainerName", runtime.name
    if service.command:
        notes.extend(secret_arguments(service.command))
        yield "Exec", " ".join(map(argument, service.command))
    # The image has a first process of its own; the first version of the generator adds one otherwise.
    yield "RunInit", "false"
    if user := user_of(_HERE, mounts):
        uid, _, gid = user.partition(":")
        yield "User", uid
        yield "Group", gid
    for name, value in _variables(service, notes):
        yield "Environment", word(f"{name}={value}")
    for file in _files(runtime, notes):
        yield "EnvironmentFile", word(file)
    for port in runtime.ports:
        yield "PublishPort", _port(port)
    for mount in mounts:
        yield "Volume", _volume(mount)
    yield "NoNewPrivileges", "true"
    if runtime.hardened:
        yield "DropCapability", "all"
        yield "ReadOnly", "true"
    else:
        yield "DropCapability", " ".join(DROPPED_CAPABILITIES)
    for words in _podman_arguments(service, mounts):
        yield "PodmanArgs", word(words)


def _podman_arguments(service: _Service, mounts: tuple[MountSpec, ...]) -> Iterator[str]:
    """Yield the options of ``podman run`` that the first version of the generator has no key for."""
    runtime = service.runtime
    yield f"--stop-timeout={_grace(runtime)}"
    if service.workdir:
        yield f"--workdir={service.workdir}"
    for variable, secret in service.secrets:
        yield f"--secret={secret},type=env,target={variable}"
    yield from _limits(runtime)
    yield from _health(runtime)
    for device in (*runtime.devices, *cdi_names(runtime.gpus)):
        yield f"--device={device}"
    for network in runtime.network:
        aliases = ",".join(f"alias={alias}" for alias in network.aliases)
        yield f"--network={network.name}" + (f":{aliases}" if aliases else "")
    if runtime.hardened:
        yield "--read-only-tmpfs=false"  # directories in memory are those that follow
    spec = ContainerSpec(
        image=service.image,
        mounts=mounts,
        tmpfs=runtime.tmpfs,
        hardened=runtime.hardened,
        home=service.home,
    )
    for path, options in tmpfs_options(spec).items():
        yield f"--tmpfs={path}:{','.join((*options, 'notmpcopyup'))}"


def _limits(runtime: Runtime) -> Iterator[str]:
    if runtime.cpus:
        yield f"--cpus={runtime.cpus:g}"
    if runtime.memory:
        yield f"--memory={runtime.memory}b"
    if runtime.shm_size:
        yield f"--shm-size={runtime.shm_size}b"
    if runtime.pids_limit:
        yield f"--pids-limit={runtime.pids_limit}"
    for limit in runtime.ulimits:
        yield f"--ulimit={limit.name}={limit.soft}:{limit.hard}"


def _health(runtime: Runtime) -> Iterator[str]:
    """Yield the health check; the generator has ``HealthCmd=`` since 4.5 only."""
    if (health := runtime.healthcheck) is None:
        return
    # Podman reads a list in JSON as words, and anything else as a line for sh.
    kind, *words = health.test
    yield f"--health-cmd={words[0] if kind == 'CMD-SHELL' else json.dumps([kind, *words])}"
    yield f"--health-interval={health.interval:g}s"
    yield f"--health-timeout={health.timeout:g}s"
    yield f"--health-retries={health.retries}"
    yield f"--health-start-period={health.start_period:g}s"


def _restart(runtime: Runtime) -> str:
    """Return systemd's word for a restart policy, of systemd.service(5), ``Restart=``.

    It has none for ``unless-stopped``: with ``always``, too, a service that was stopped stays so.
    """
    name = runtime.restart.partition(":")[0]
    return "always" if name == "unless-stopped" else name


def _start_limit(runtime: Runtime) -> list[tuple[str, str]]:
    """Return how often systemd starts it, of systemd.unit(5), ``StartLimitBurst=``: the first start counts there."""
    if not (tries := runtime.restart.partition(":")[2]):
        return []
    return [("StartLimitIntervalSec", "infinity"), ("StartLimitBurst", str(int(tries) + 1))]


def _grace(runtime: Runtime) -> int:
    return math.ceil(runtime.grace_seconds)


def _variables(service: _Service, notes: list[str]) -> Iterator[tuple[str, str]]:
    runtime = service.runtime
    yield from written_variables(runtime.env, dict(service.secrets), notes)
    ports = dict.fromkeys(str(port.container) for port in runtime.ports if port.protocol == "tcp")
    if ports:
        yield PUBLISHED, ",".join(ports)


def _files(runtime: Runtime, notes: list[str]) -> Iterator[str]:
    """Yield the absolute paths of the files of variables, which Podman reads in a form of its own."""
    from buildr.run.env_files import read_env_files

    for named in runtime.env_file:
        path = os.path.abspath(os.path.expanduser(named))
        ours, podmans = read_env_files((path,)), _as_podman_reads(path)
        if other := [name for name in ours if ours[name] != podmans.get(name, "")]:
            notes.append(
                f"Podman reads {', '.join(other)} of {path} otherwise than a run does: it takes quotes for a part of the value;"
                " write NAME=value without"
            )
        yield path


def _as_podman_reads(path: str) -> dict[str, str | None]:
    """Read a file of variables as ``podman run --env-file`` does (podman-run(1))."""
    found: dict[str, str | None] = {}
    with open(path, encoding="utf-8") as file:
        for line in file.read().splitlines():
            name, equals, value = line.lstrip().partition("=")
            if name and not name.startswith("#"):
                found[name] = value if equals else None
    return found


def _port(port: Port) -> str:
    host = port.bracketed_ip
    parts = [host] if host else []
    parts += [str(port.host or "")] if port.host or host else []
    protocol = "" if port.protocol == "tcp" else f"/{port.protocol}"
    return ":".join((*parts, str(port.container))) + protocol


def _volume(mount: MountSpec) -> str:
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
