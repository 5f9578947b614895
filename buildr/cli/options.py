"""The options of the commands: those of the decorator, made from their declarations, and a few more.

The parameter of a declared option is called ``package__py_version``: see `buildr.cli.values`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildr.cli.command import completing, option
from buildr.cli.completions import complete_mount
from buildr.engines.plaintext import FLAG, allow_plaintext
from buildr.options import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import click
    from click.decorators import FC

    from buildr.options.declaration import FlagSet, Option

BUILD = "Build options"


_COMPLETED = {
    "package.variant": completing(
        "alpine", "slim", "bookworm", "slim-bookworm", "trixie", "slim-trixie"
    ),
    "package.user": completing("root"),
    "runtime.mounts": complete_mount,
    "runtime.interrupt": completing("host", "guest"),
    "runtime.restart": completing("no", "on-failure", "always", "unless-stopped"),
    "runtime.network": completing("none", "host"),
}
"""What completes the values of an option, by the option's key."""


def _allow_plaintext(_context: click.Context, _parameter: click.Parameter, given: bool) -> None:
    if given:
        allow_plaintext()


def options(*groups: Sequence[Callable[[FC], FC]]) -> Callable[[FC], FC]:
    """Declare groups of options, shown in this order."""

    def decorate(command: FC) -> FC:
        for group in reversed(groups):
            for declare in reversed(group):
                command = declare(command)
        return command

    return decorate


def parameter(declared: Option) -> str:
    """Return the parameter name of a declared option in a command."""
    return f"{declared.group}__{declared.name}"


def flag(declared: Option) -> Callable[[FC], FC]:
    """Declare the flag of an option."""
    attributes: dict[str, Any] = {"is_flag": True}
    if declared.form != "switch":
        attributes = {"metavar": declared.metavar, "multiple": declared.repeatable}
    if (complete := _COMPLETED.get(declared.key)) is not None:
        attributes["shell_complete"] = complete
    return option(
        *declared.flags,
        parameter(declared),
        section=declared.section,
        help=declared.help,
        **attributes,
    )


def _flags(flag_set: FlagSet) -> tuple[Callable[[FC], FC], ...]:
    return tuple(flag(declared) for declared in OPTIONS.values() if declared.flag_set == flag_set)


build_options = _flags("build")
image_options = _flags("image")
wheel_cache_option = _flags("wheel_cache")
publish_option = _flags("publish")
container_options = _flags("container")
collected_option = _flags("collected")
builder_option = _flags("builder")
output_options = _flags("output")
quiet_option = (flag(OPTIONS["package.quiet"]),)

module_option = (
    option("-m", "module", metavar="MODULE", help="A module instead, as `python -m` finds it."),
)

backend_option = (
    option(
        "--backend",
        metavar="NAME",
        help="podman, docker or auto.  [default: $BUILDR_BACKEND, else auto]",
    ),
    option(
        FLAG,
        is_flag=True,
        expose_value=False,
        callback=_allow_plaintext,
        help="Send build secrets and logins over plain tcp:// too.  [default: $BUILDR_INSECURE_ENGINE]",
    ),
)

_no_project_config = option(
    "--no-project-config",
    is_flag=True,
    help="Ignore [tool.buildr] in pyproject.toml.",
)
ignore_option = (_no_project_config,)
project_options = (
    option(
        "--trust",
        is_flag=True,
        help="Allow what [tool.buildr] asks for beyond the project's folder and a private network.",
    ),
    _no_project_config,
)
"""What the command line says of the project's file."""

interactive_option = tuple(
    option(*names, is_flag=True, hidden=True, expose_value=False)
    for names in (("-i", "--interactive"), ("-t", "--tty"))
)
"""``-it``, as with docker: standard input is always passed on, and a terminal where there is one."""
always_option = tuple(
    option(name, is_flag=True, hidden=True, expose_value=False) for name in ("--rm", "--init")
)
"""What is always so: the container goes when it ends, and its first process passes signals on and reaps."""

watch_option = (
    option(
        "--watch",
        "watch",
        is_flag=True,
        help="Run again whenever a file changes that is sent to the build, or what decides options.",
    ),
)
