"""A debugger that waits in the container: ``debug``, ``buildr run --debug``.

debugpy, which speaks the Debug Adapter Protocol (https://microsoft.github.io/debug-adapter-protocol), is in a separate
layer on top of the dependencies, in its own folder, so that it does not change what the project has installed.
`buildr.guest.debug` waits for the client and then runs the script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.errors import OptionName
from buildr.host import console
from buildr.layout import APP, DEBUG, DEBUGGER_ROOT
from buildr.options.errors import exclusive

if TYPE_CHECKING:
    from buildr.engines.container_spec import ContainerSpec
    from buildr.options.ports import Port
    from buildr.plan.project import Project

_REQUIREMENT = "debugpy>=1.8,<2"  # 1.8 is for Python 3.8 and newer, as Buildr's guests are
_INTERPRETER = ("python", "-u")  # the beginning of every guest's command
_LOOPBACK = ("127.", "::1")


def with_debugger(project: Project) -> Project:
    """Return the project with debugpy in its image.

    Raises:
        OptionError: it is incompatible with another option.
    """
    if project.package.publish:
        raise exclusive(
            OptionName("package.publish"),
            OptionName("runtime.debug"),
            "an image with a debugger in it is for your own use",
        )
    if project.dockerfile is not None:
        raise exclusive(
            OptionName("runtime.debug"),
            OptionName("package.dockerfile"),
            "what a Containerfile of your own starts is not known",
            hint="Install debugpy in your Containerfile, let its CMD begin with"
            ' ["python", "-m", "debugpy", "--listen", "0.0.0.0:5678", "--wait-for-client", …], and publish the port'
            " 5678.",
        )
    arguments = ("--target", DEBUGGER_ROOT, _REQUIREMENT)
    return replace(project, recipe=replace(project.recipe, debugger=arguments))


def to_be_debugged(spec: ContainerSpec, port: Port, *, routed: bool = False) -> ContainerSpec:
    """Return a container whose script waits for a debugger.

    Args:
        spec: the container.
        port: where the debugger listens.
        routed: whether other machines may reach the container at its own address; then only its host can connect.
    """
    host_only = routed and port.host_ip.startswith(_LOOPBACK)
    place = f"host:{port.container}" if host_only else str(port.container)
    words = spec.command[len(_INTERPRETER) :]
    command = (
        *_INTERPRETER,
        # Recommended by debugpy, which cannot debug modules that are frozen into the interpreter.
        *("-X", "frozen_modules=off"),
        *(DEBUG, DEBUGGER_ROOT, place),
    )
    return replace(spec, command=(*command, *words), ports=(*spec.ports, port))


def way_in(project: Project, port: Port) -> str:
    """Return the message that says where a debugger can attach."""
    host = port.bracketed_ip
    if not port.host_ip.startswith(_LOOPBACK):
        console.warn(
            f"anyone who can reach {host} can run code in the container, since a debugger asks for no password"
        )
    place = port.address if port.host else f"the port of {host} that is shown"
    return f"a debugger attaches at {place}; {project.context} is {APP} there"
