"""``buildr help``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildr.cli.command import Command

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _complete_command(
    context: click.Context, _parameter: click.Parameter, begun: str
) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    group = context.find_root().command
    known = group.commands if isinstance(group, click.Group) else {}
    return [
        CompletionItem(name, help=command.get_short_help_str())
        for name, command in known.items()
        if name.startswith(begun)
    ]


@click.command("help", cls=Command)
@click.argument("name", metavar="[COMMAND]", required=False, shell_complete=_complete_command)
@click.pass_context
def help_(context: click.Context, name: str | None) -> None:
    """Show the help of a command, or the list of commands."""
    root = context.find_root()
    group = root.command
    if name is None or not isinstance(group, click.Group):
        click.echo(root.get_help(), color=context.color)
        return
    _, command, _ = group.resolve_command(root, [name])
    if command is not None:  # an unknown one has been refused
        with command.make_context(name, [], parent=root, resilient_parsing=True) as own:
            click.echo(own.get_help(), color=context.color)
