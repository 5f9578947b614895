"""The command ``buildr``.

Parsing a command line imports only click; each command imports what it needs when it runs. It may import everything
below it.
"""

from __future__ import annotations

import os

import click

from buildr._version import __version__
from buildr.cli.base import base
from buildr.cli.build import build
from buildr.cli.command import Context
from buildr.cli.completion import VARIABLE as COMPLETION
from buildr.cli.completion import completion
from buildr.cli.config import config
from buildr.cli.containerfile import containerfile
from buildr.cli.doctor import doctor
from buildr.cli.eject import eject
from buildr.cli.exec import exec_
from buildr.cli.help import help_
from buildr.cli.images import images
from buildr.cli.init import init
from buildr.cli.logs import logs
from buildr.cli.port import port
from buildr.cli.prune import prune
from buildr.cli.ps import ps
from buildr.cli.push import push
from buildr.cli.quadlet import quadlet
from buildr.cli.run import run
from buildr.cli.shell import shell
from buildr.cli.stop import stop
from buildr.host.ending import end_on_interrupt

__all__ = ["app", "main"]

# \b keeps click from filling a paragraph.
_EPILOG = """\b
Environment:
  BUILDR_BACKEND     podman, docker or auto (Podman, else Docker)
  BUILDR_BASE_IMAGE  base image, in place of the official Python image
  BUILDR_PACKAGE_…, BUILDR_RUNTIME_…  any other option: see `buildr config`

Exit status: the script's own; 125 when Buildr or the engine failed, 126 and 127 when the command
could not be started, as with docker and podman; 2 for a wrong command line.
"""


class _Group(click.Group):
    """The commands, in their usual order of use."""

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of their definition."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; detect the likely mistakes of a script or an engine's command in its place."""
        name = args[0]
        if name not in self.commands:
            if name.endswith(".py") or os.path.isfile(name):
                ctx.fail(f"No such command {name!r}. To run a script: buildr run {name}")
            from buildr.cli.foreign import COMMANDS as OF_ENGINES

            if name in OF_ENGINES:
                ctx.fail(f"No such command {name!r}. Use: buildr {OF_ENGINES[name]}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Group,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, "--version", prog_name="buildr", message="%(prog)s %(version)s")
def app() -> None:
    """Run Python scripts in containers: rootless Podman first, Docker just the same."""


_COMMANDS = (
    *(init, run, shell, build, push, containerfile, eject, quadlet),
    *(ps, logs, exec_, port, stop, images, prune),
    *(config, doctor, base, completion, help_),
)
for _command in _COMMANDS:
    app.add_command(_command)


def main() -> None:
    """Read the command line and do what it says; ends the process."""
    end_on_interrupt()
    app(complete_var=COMPLETION)
