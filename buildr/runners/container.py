"""Which container runs an image: the guest's command, user, environment, ports and mounts, from the user's options."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from buildr import labels
from buildr.engines import ownership
from buildr.engines.container_spec import (
    ContainerSpec,
    DeviceSpec,
    HealthSpec,
    MountSpec,
    NetworkSpec,
    PortBinding,
    TmpfsSpec,
    UlimitSpec,
)
from buildr.errors import ContainerError
from buildr.guest.init import PUBLISHED
from buildr.host import console, terminal
from buildr.labels import PROJECT
from buildr.layout import GUEST_ROOT
from buildr.options.mounts import mount_source
from buildr.plan.mounted_source import source_mount
from buildr.run import stdin
from buildr.run.mounts import NOT_SEEN_HINT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildr.engines.engine import Engine
    from buildr.engines.images import Images
    from buildr.engines.records import EngineInfo
    from buildr.image.ensure import Ready
    from buildr.options import Runtime
    from buildr.options.mounts import Mount
    from buildr.plan.entry import Entry
    from buildr.plan.project import Project

_LOCALE = ("TZ", "LANG", "LANGUAGE")  # and every LC_ variable
_UNIFIED_CGROUPS = "/sys/fs/cgroup/cgroup.controllers"  # there with version 2 alone, see cgroups(7)


def container_spec(
    backend: Images,
    project: Project,
    ready: Ready,
    entry: Entry,
    runtime: Runtime,
    *,
    tty: bool | None = None,
) -> ContainerSpec:
    """Say which container runs an image of a project.

    Args:
        backend: the engine.
        project: what runs.
        ready: its image.
        entry: the program.
        runtime: validated options.
        tty: whether it gets a terminal; ``None``: if this process has one.
    """
    image = ready.image
    if tty is None:
        tty = terminal.guest_gets_terminal()
    own = project.dockerfile is not None
    directory = entry.directory or os.getcwd()
    command: tuple[str, ...] = project.placement.command
    if own and (stored := backend.image(image)) is not None:
        command = stored.command
    mounts = tuple(find_mount(backend.info, mount, directory) for mount in runtime.mounts)
    if runtime.mount_source:
        mounts = (source_mount(backend, project), *mounts)
    return ContainerSpec(
        image=image,
        command=(*command, *entry.arguments),
        environment={**_environment(_named(runtime, directory), tty=tty), **_published(runtime)},
        labels={
            PROJECT: project.key,
            labels.NAME: project.name,
            **ownership.labels(runtime.grace_seconds),
        },
        name=runtime.name,
        workdir=None if own else project.placement.workdir,
        user=user_of(backend.info, mounts),
        tty=tty,
        stdin=not stdin.is_null(),
        ports=tuple(
            PortBinding(
                host_ip=port.host_ip,
                host=port.host,
                container=port.container,
                protocol=port.protocol,
            )
            for port in runtime.ports
        ),
        mounts=mounts,
        tmpfs=tuple(TmpfsSpec(target=item.target, size=item.size) for item in runtime.tmpfs),
        cpus=runtime.cpus,
        memory=runtime.memory,
        shm_size=runtime.shm_size,
        pids_limit=runtime.pids_limit,
        ulimits=tuple(
            UlimitSpec(name=item.name, soft=item.soft, hard=item.hard) for item in runtime.ulimits
        ),
        devices=tuple(find_device(backend.info, device) for device in runtime.devices),
        gpus=runtime.gpus,
        networks=tuple(
            NetworkSpec(name=item.name, aliases=item.aliases) for item in runtime.network
        ),
        health=health_spec(runtime),
        grace_seconds=runtime.grace_seconds,
        hardened=runtime.hardened,
        home=_home(backend, image) if runtime.hardened else "",
        image_variables=ready.variables,
    )


def _home(backend: Images, image: str) -> str:
    """Return the home directory that an image names: the project's does not tell, as its user may have been fitted."""
    stored = backend.image(image)
    named = [line for line in stored.environment if line.startswith("HOME=")] if stored else []
    return named[-1].removeprefix("HOME=") if named else ""


def find_mount(info: EngineInfo, mount: Mount, directory: str) -> MountSpec:
    """Find what a mount shows.

    Args:
        info: of the engine.
        mount: the option.
        directory: the absolute path of the one that a relative source starts at.

    Raises:
        ContainerError: the engine is on another machine; or the host's side is not there. Engines differ here: some make
            a directory of root's.
    """
    # A bare name is a named volume; anything else becomes an absolute path.
    source = mount_source(mount, directory)
    is_path = os.path.isabs(source)
    if is_path and info.remote:
        raise ContainerError(
            f"{source} cannot be mounted: the engine at {info.endpoint} runs on another machine, and sees the files there",
            hint=NOT_SEEN_HINT,
        )
    if is_path:
        try:
            os.stat(source)
        except (FileNotFoundError, NotADirectoryError):
            raise ContainerError(
                f"the source of a mount is not there: {source}",
                hint=f"Make it, or correct {mount.source!r} in runtime.mounts; a relative source starts at"
                f" {directory}, where the script was started.",
            ) from None
        except OSError:
            pass  # the engine may see more than this user does
    return MountSpec(
        kind="bind" if is_path else "volume",
        source=source,
        target=mount.target,
        read_only=mount.read_only,
        relabel=mount.relabel,
    )


def find_device(info: EngineInfo, device: str) -> DeviceSpec:
    """Find a device.

    Args:
        info: of the engine.
        device: the option.

    Raises:
        ContainerError: it is not there. Engines tell at different moments and in different words.
    """
    if not device.startswith("/"):
        return DeviceSpec(host=device)
    from buildr.options.devices import parts

    host, container, access = parts(device)
    if not info.remote and not os.path.exists(host):
        raise ContainerError(
            f"the device {host} is not there",
            hint=f"Correct {device!r} in runtime.devices. Is its driver loaded?",
        )
    return DeviceSpec(host=host, container=container, access=access)


def health_spec(runtime: Runtime) -> HealthSpec | None:
    """Return the health check of the options."""
    check = runtime.healthcheck
    if check is None:
        return None
    command = check.command
    return HealthSpec(
        test=("CMD-SHELL", command) if isinstance(command, str) else ("CMD", *command),
        interval=check.interval,
        timeout=check.timeout,
        retries=check.retries,
        start_period=check.start_period,
    )


def warn_of_limits(backend: Engine, runtime: Runtime) -> None:
    """Say so when limits will not hold: only root can set them in version 1 of cgroups, and engines say nothing."""
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
    """Say that a guest in the network of the host is not apart from it."""
    if any(item.name == "host" for item in runtime.network):
        console.warn(
            "the guest shares the network of the engine's host: it reaches what listens on 127.0.0.1 there, and"
            " others reach what it listens on"
        )


def user_of(info: EngineInfo, mounts: tuple[MountSpec, ...]) -> str | None:
    """Return who the guest runs as, so that what it writes into mounts belongs to the user.

    On a rootless engine uid 0 in the container is the user; on a rootful one it is the user's own uid.
    """
    if all(mount.read_only or mount.kind == "volume" for mount in mounts):
        return None
    return "0:0" if info.rootless else f"{os.getuid()}:0"


def _published(runtime: Runtime) -> dict[str, str]:
    """Tell the guest's first process which ports are published, so that it can warn of servers that nobody reaches."""
    ports = dict.fromkeys(str(p.container) for p in runtime.ports if p.protocol == "tcp")
    return {PUBLISHED: ",".join(ports)} if ports else {}


def _named(runtime: Runtime, directory: str) -> Mapping[str, str | None]:
    """Return the variables that the options name, those of files too."""
    if not runtime.env_file:
        return runtime.env
    from buildr.run.env_files import read_env_files

    return {**read_env_files(runtime.env_file, directory), **runtime.env}


def _environment(named: Mapping[str, str | None], *, tty: bool) -> dict[str, str]:
    """Return the guest's environment beyond the image's: what the user names, the terminal, time zone, locale."""
    environ = os.environ
    found = {
        name: value for name, value in environ.items() if name in _LOCALE or name.startswith("LC_")
    }
    if tty and "TERM" in environ:
        found["TERM"] = environ["TERM"]
    for name, value in named.items():
        if value is not None:
            found[name] = value
        elif name in environ:
            found[name] = environ[name]
    if "PYTHONPATH" in found:  # the guest part is found through it
        found["PYTHONPATH"] = f"{found['PYTHONPATH']}:{GUEST_ROOT}"
    return found
