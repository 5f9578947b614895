r"""The runner that writes a plan as a systemd user unit for rootless Podman: ``buildr quadlet``.

Podman's generator (podman-systemd.unit(5), "Quadlet") makes a service of a ``.container`` file. Only keys that its first
version, of Podman 4.4, has are written, because it refuses a file with one that it does not know; what came later is in
``PodmanArgs``.

What is written goes through two readers. The generator takes words apart by the rules of systemd.syntax(7), and writes them into
``ExecStart``; systemd then replaces ``%`` (systemd.unit(5), "Specifiers") and ``$`` (systemd.service(5), "Command lines"), which the
generator leaves as they are. So both are doubled in everything that gets there.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from buildr._version import __version__
from buildr.engines.container_spec import DROPPED_CAPABILITIES
from buildr.engines.records import EngineInfo
from buildr.errors import Message, OptionError, OptionName
from buildr.guest.init import PUBLISHED
from buildr.host.files import read_file
from buildr.layout import APP
from buildr.runners.container import find_mount, user_of
from buildr.runners.guest_environment import published
from buildr.runners.manifest import MARK
from buildr.runners.protocol import Manifest
from buildr.runners.quadlet_options import Service, grace, podman_arguments, port_text, volume_text
from buildr.runners.quadlet_secrets import secret_arguments, written_variables
from buildr.runners.unit_text import argument, comment, word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.options import Runtime
    from buildr.runners.plan import RunPlan

__all__ = ["render"]

_START_SECONDS = 900  # the default of 90 seconds is too short if Podman has to pull the image first
_MORE_SECONDS = 10  # added to Podman's grace period for systemd
_VALUES = re.compile(rf"^(?:Exec=|Environment=(?!\"?{PUBLISHED}=))", re.MULTILINE)
_HERE = EngineInfo(
    backend="podman", version="", rootless=True, remote=False, endpoint="", found="systemd"
)


def render(plan: RunPlan, name: str) -> Manifest:
    """Return the text of a ``.container`` file; see `buildr.runners.protocol.Renderer.render`.

    Raises:
        OptionError: an option or an argument cannot be written into such a file.
        ContainerError: a mount's source or an env file does not exist.
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
            ("TimeoutStopSec", str(grace(runtime) + _MORE_SECONDS)),
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


def _service(plan: RunPlan, name: str) -> Service:
    project, arguments = plan.project, plan.entry.arguments if plan.entry else ()
    if project is None:
        return Service(
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
    return Service(
        name=name,
        image=project.reference,
        runtime=plan.runtime,
        command=(*project.placement.command, *arguments) if arguments else (),
        workdir="" if own or workdir == APP else workdir,
        home="" if own else project.recipe.home,
        secrets=plan.stored_secrets,
    )


def _container(service: Service, notes: list[str]) -> Iterator[tuple[str, str]]:
    runtime = service.runtime
    mounts = tuple(find_mount(_HERE, mount, os.getcwd()) for mount in runtime.mounts)
    yield "Image", service.image
    if runtime.name:
        yield "ContainerName", runtime.name
    if service.command:
        notes.extend(secret_arguments(service.command))
        yield "Exec", " ".join(map(argument, service.command))
    # The image has its own first process; the first version of the generator would add another one.
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
        yield "PublishPort", port_text(port)
    for mount in mounts:
        yield "Volume", volume_text(mount)
    yield "NoNewPrivileges", "true"
    if runtime.hardened:
        yield "DropCapability", "all"
        yield "ReadOnly", "true"
    else:
        yield "DropCapability", " ".join(DROPPED_CAPABILITIES)
    for words in podman_arguments(service, mounts):
        yield "PodmanArgs", word(words)


def _restart(runtime: Runtime) -> str:
    """Return the restart policy of systemd: systemd.service(5), ``Restart=``.

    ``unless-stopped`` becomes ``always``, with which a stopped service stays stopped, too.
    """
    name = runtime.restart.partition(":")[0]
    return "always" if name == "unless-stopped" else name


def _start_limit(runtime: Runtime) -> list[tuple[str, str]]:
    """Return the limit of starts, including the first one: systemd.unit(5), ``StartLimitBurst=``."""
    if not (tries := runtime.restart.partition(":")[2]):
        return []
    return [("StartLimitIntervalSec", "infinity"), ("StartLimitBurst", str(int(tries) + 1))]


def _variables(service: Service, notes: list[str]) -> Iterator[tuple[str, str]]:
    runtime = service.runtime
    yield from written_variables(runtime.env, dict(service.secrets), notes)
    yield from published(runtime).items()


def _files(runtime: Runtime, notes: list[str]) -> Iterator[str]:
    """Yield the absolute paths of the env files, which Podman reads in its own format."""
    from buildr.plan.env_files import read_env_files

    for named in runtime.env_file:
        path = os.path.abspath(os.path.expanduser(named))
        ours, podmans = read_env_files((path,)), _as_podman_reads(path)
        if other := [name for name in ours if ours[name] != podmans.get(name, "")]:
            notes.append(
                f"Podman reads {', '.join(other)} of {path} differently from a run: it takes quotes as part of the value;"
                " write NAME=value without"
            )
        yield path


def _as_podman_reads(path: str) -> dict[str, str | None]:
    """Read an env file as ``podman run --env-file`` does (podman-run(1))."""
    found: dict[str, str | None] = {}
    for line in read_file(path).decode().splitlines():
        name, equals, value = line.lstrip().partition("=")
        if name and not name.startswith("#"):
            found[name] = value if equals else None
    return found
