"""``buildr push``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from buildr.cli.build import Request, made, no_cache_option
from buildr.cli.command import Command, completing
from buildr.cli.options import (
    backend_option,
    build_options,
    image_options,
    module_option,
    options,
    output_options,
)

if TYPE_CHECKING:
    from buildr.engines.engine import Engine
    from buildr.host.signals import Signals
    from buildr.plan.project import Project


@click.command(cls=Command, usages=("[OPTIONS] SCRIPT", "[OPTIONS] -m MODULE"))
@click.argument("script", required=False, shell_complete=completing("file"))
@options(
    module_option, build_options, no_cache_option, image_options, backend_option, output_options
)
@click.pass_context
def push(
    context: click.Context,
    /,
    script: str | None,
    module: str | None,
    no_cache: bool,
    backend: str | None,
    **values: Any,
) -> None:
    """Build the image of a script, and push it to its repository.

    The logins are those of podman and docker. Prints the name under which the registry has it.
    """
    from buildr.host.exit_status import guarded

    request = Request(
        script=script, module=module, backend=backend, cache=not no_cache, publish=True
    )

    def action(_signals: Signals) -> int:
        return made(context, values, request, _tell)

    context.exit(guarded(action))


def _tell(_engine: Engine, project: Project, _image: str) -> None:
    click.echo(project.reference)
