"""``buildr push``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from buildr.cli.build import Built, Request, build_target, json_option, no_cache_option, print_json
from buildr.cli.command import Command, completing
from buildr.cli.options import (
    backend_option,
    build_options,
    image_options,
    module_option,
    options,
    output_options,
    project_options,
)
from buildr.cli.target import Target, function_option

if TYPE_CHECKING:
    from buildr.engines.engine import Engine
    from buildr.host.signals import Signals
    from buildr.plan.project import Project


@click.command(cls=Command, usages=("[OPTIONS] SCRIPT", "[OPTIONS] -m MODULE"))
@click.argument("script", required=False, shell_complete=completing("file"))
@options(
    module_option,
    function_option,
    build_options,
    no_cache_option,
    json_option,
    image_options,
    backend_option,
    output_options,
    project_options,
)
@click.pass_context
def push(  # noqa: PLR0913, PLR0917 - click passes each option by its name
    context: click.Context,
    /,
    script: str | None,
    module: str | None,
    function: str | None,
    no_cache: bool,
    as_json: bool,
    backend: str | None,
    **values: Any,
) -> None:
    """Build the image of a script, and push it to its repository.

    The logins are those of podman and docker. Prints the name under which the registry has it. The
    options are those of the decorator, too, which is read and not run.
    """
    from buildr.host.exit_status import exit_status_of

    target = Target(context, values, script=script, module=module, function=function)
    request = Request(backend=backend, cache=not no_cache, publish=True)

    def push_image(_signals: Signals) -> int:
        return build_target(context, target, request, print_json if as_json else _report)

    context.exit(exit_status_of(push_image))


def _report(_engine: Engine, project: Project, _built: Built) -> None:
    click.echo(project.reference)
