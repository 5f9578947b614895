"""``buildr containerfile``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from buildr.cli.command import Command, completing
from buildr.cli.options import build_options, module_option, options, quiet_option
from buildr.cli.values import flags, in_words_of

if TYPE_CHECKING:
    from buildr.host.signals import Signals


@click.command(cls=Command, usages=("[OPTIONS] SCRIPT", "[OPTIONS] -m MODULE"))
@click.argument("script", required=False, shell_complete=completing("file"))
@options(module_option, build_options, quiet_option)
@click.pass_context
def containerfile(
    context: click.Context, /, script: str | None, module: str | None, **values: Any
) -> None:
    """Print the Containerfile that a build of a script would use.

    No engine is needed, and nothing is written to the project.
    """
    from buildr.cli import target
    from buildr.config import settle
    from buildr.host import console
    from buildr.host.exit_status import guarded
    from buildr.plan.containerfile import render
    from buildr.plan.project import plan

    def action(_signals: Signals) -> int:
        with in_words_of(context):
            given = flags(context, values)
            entry = target.find(script, module)
            package = settle(entry, given).package
            project = plan(entry, package)
        for note in () if package.quiet else project.notes:
            console.say(note)
        click.echo(render(project.recipe), nl=False)
        return 0

    context.exit(guarded(action))
