"""Derives the container from the options: command, user, environment, ports, mounts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from buildr import labels
from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec, DeviceSpec, MountSpec
from buildr.errors import ContainerError, Message, OptionName
from buildr.host import console, terminal
from buildr.host.interpreter import is_python
from buildr.labels import PROJECT
from buildr.options.mounts import mount_source
from buildr.plan.mounted_source import source_mount
from buildr.run import stdin
from buildr.run.home_cache import home_mount
from buildr.run.mounts import NOT_SEEN_HINT
from buildr.runners.guest_environment import guest_environment

if TYPE_CHECKING:
    from buildr.engines.images import Images
    from buildr.engines.records import EngineInfo
    from buildr.image.lookup import Ready
    from buildr.options import Runtime
    from buildr.options.mounts import Mount
    from buildr.runners.session import EngineSession


_NOT_AS_GIVEN = {
    "mounts",  # their sources are resolved first
    "devices",  # resolved first, too
    "restart",  # only a detached run has it
}


def container_spec(
    session: EngineSession, ready: Ready, *, tty: bool | None = None
) -> ContainerSpec:
    """Return the container that runs a project's image.

    Args:
        session: the engine and the plan.
        ready: the image.
        tty: whether it gets a terminal; ``None``: if this process has one.
    """
    backend, project, runtime = session.backend, session.project, session.runtime
    entry = session.plan.entry
    arguments = entry.arguments if entry else ()
    directory = (entry and entry.directory) or os.getcwd()
    image = ready.image
    if tty is None:
        tty = terminal.guest_gets_terminal()
    own = project.dockerfile is not None
    command: tuple[str, ...] = project.placement.command
    if own and (stored := backend.image(image)) is not None:
        command = stored.command
    mounts = tuple(find_mount(backend.info, mount, directory) for mount in runtime.mounts)
    if runtime.cache_home:
        home = _home(backend, image)
        if home and all(mount.target != home for mount in mounts):
            mounts = (*mounts, home_mount(backend, str(project.context), home))
    if runtime.mount_source:
        mounts = (source_mount(backend, project), *mounts)
    spec = ContainerSpec(
        image=image,
        command=(*command, *arguments),
        environment=guest_environment(runtime, directory, tty=tty),
        labels={
            PROJECT: project.key,
            labels.NAME: project.name,
            **ownership.labels(runtime.grace_seconds),
        },
        workdir=None if own else project.placement.workdir,
        user=user_of(backend.info, mounts),
        tty=tty,
        stdin=not stdin.is_null(),
        mounts=mounts,
        devices=tuple(find_device(backend.info, device) for device in runtime.devices),
        networks=runtime.network,
        health=runtime.healthcheck,
        home=_home(backend, image) if runtime.hardened else "",
        image_variables=ready.variables,
    )
    return replace(spec, **_as_given(runtime))


def _as_given(runtime: Runtime) -> dict[str, Any]:
    """Return the options that have a field of the same name in the specification of containers."""
    names = set(ContainerSpec.__struct_fields__) & set(runtime.__struct_fields__) - _NOT_AS_GIVEN
    return {name: getattr(runtime, name) for name in names}


def with_interpreter_options(spec: ContainerSpec, session: EngineSession) -> ContainerSpec:
    """Return a container whose Python gets the interpreter options of this process."""
    entry = session.plan.entry
    if entry is None or not entry.interpreter:
        return spec
    program, *rest = spec.command
    if not is_python(program):
        options = " ".join(entry.interpreter)
        console.warn(
            f"the interpreter's options {options} do not travel: the image's own command is {program}"
        )
        return spec
    return replace(spec, command=(program, *entry.interpreter, *rest))


def _home(backend: Images, image: str) -> str:
    """Return the home directory set by an image; the project does not know it, since its user may have been replaced."""
    stored = backend.image(image)
    named = [line for line in stored.environment if line.startswith("HOME=")] if stored else []
    return named[-1].removeprefix("HOME=") if named else ""


def find_mount(info: EngineInfo, mount: Mount, directory: str) -> MountSpec:
    """Resolve the source of a mount.

    Args:
        info: of the engine.
        mount: the option.
        directory: the absolute base directory of a relative source.

    Raises:
        ContainerError: the engine is on another machine, or the source does not exist; some engines would create a
            directory that belongs to root.
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
                hint=Message(
                    f"Create it, or correct {mount.source!r} in ",
                    OptionName("runtime.mounts"),
                    f"; a relative source starts at {directory}, where the script was started.",
                ),
            ) from None
        except OSError:
            pass  # the engine may see more than this user
    return MountSpec(
        kind="bind" if is_path else "volume",
        source=source,
        target=mount.target,
        read_only=mount.read_only,
        relabel=mount.relabel,
    )


def find_device(info: EngineInfo, device: str) -> DeviceSpec:
    """Resolve a device.

    Args:
        info: of the engine.
        device: the option.

    Raises:
        ContainerError: it does not exist, which engines report at different times and with different messages.
    """
    if not device.startswith("/"):
        return DeviceSpec(host=device)
    from buildr.options.devices import parts

    host, container, access = parts(device)
    if not info.remote and not os.path.exists(host):
        raise ContainerError(
            f"the device {host} is not there",
            hint=Message(
                f"Correct {device!r} in ", OptionName("runtime.devices"), ". Is its driver loaded?"
            ),
        )
    return DeviceSpec(host=host, container=container, access=access)


def user_of(info: EngineInfo, mounts: tuple[MountSpec, ...]) -> str | None:
    """Return the user of the guest, so that files written to mounts belong to the host's user.

    On a rootless engine uid 0 in the container is the user; on a rootful one it is the user's own uid.
    """
    if all(mount.read_only or mount.kind == "volume" for mount in mounts):
        return None
    return "0:0" if info.rootless else f"{os.getuid()}:0"
