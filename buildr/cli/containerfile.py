"""``buildr containerfile``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from buildr.cli.command import Command
from buildr.cli.completions import complete_script
from buildr.cli.options import build_options, ignore_option, module_option, options, quiet_option
from buildr.cli.target import Target, function_option
from buildr.cli.values import in_words_of

if TYPE_CHECKING:
    from buildr.host.signals import Signals


@click.command(cls=Command, usages=("[OPTIONS] SCRIPT", "[OPTIONS] -m MODULE"))
@click.argument("script", required=False, shell_complete=complete_script)
@options(module_option, function_option, build_options, ignore_option, quiet_option)
@click.pass_context
def containerfile(
    context: click.Context,
    /,
    script: str | None,
    module: str | None,
    function: str | None,
    **values: Any,
) -> None:
    """Print the Containerfile that a build of a script would use.

    No engine is needed, and nothing is written to the project. The options are those of the decorator,
    too, which is read and not run.
    """
    from buildr.config.trust import BEYOND, is_allowed
    from buildr.host import console
    from buildr.host.confidential import without_logins
    from buildr.host.exit_status import exit_status_of
    from buildr.plan.containerfile import render
    from buildr.plan.project import plan

    target = Target(context, values, script=script, module=module, function=function)

    def print_containerfile(_signals: Signals) -> int:
        resolved = target.resolve()
        package = resolved.settings.package
        with in_words_of(context):
            project = plan(resolved.entry, package)
            own = project.dockerfile
            text = _own(own) if own else render(project.recipe)
        shown = without_logins(text)
        notes = [*project.notes, *(["logins in URLs are printed as ****"] if shown != text else [])]
        if not is_allowed(resolved.settings):
            file = resolved.settings.file
            notes.append(f"{file} asks for {BEYOND}: `buildr config` lists it, a run asks first")
        for note in () if package.quiet else notes:
            console.say(note)
        click.echo(shown.encode("utf-8", "surrogateescape"), nl=False)
        return 0

    context.exit(exit_status_of(print_containerfile))


def _own(path: str) -> str:
    """Return the text of the user's own Containerfile, which is built as it is."""
    from buildr.plan.dockerfile import read_dockerfile

    return read_dockerfile(path).decode("utf-8", "surrogateescape")
