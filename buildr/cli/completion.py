"""``buildr completion``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildr.cli.command import Command

if TYPE_CHECKING:
    from buildr.host.signals import Signals

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_BUILDR_COMPLETE"
"""Set when a shell asks; click reads it."""
_PROGRAM = "buildr"


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    r"""Print what a shell completes commands and options by.

    \b
    bash:  echo 'eval "$(buildr completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(buildr completion zsh)"' >> ~/.zshrc
    fish:  buildr completion fish > ~/.config/fish/completions/buildr.fish
    """
    from click.shell_completion import get_completion_class

    from buildr.host.exit_status import exit_status_of

    def operation(_signals: Signals) -> int:
        found = get_completion_class(shell)
        if found is not None:  # click has all of these
            click.echo(found(context.find_root().command, {}, _PROGRAM, VARIABLE).source())
        return 0

    context.exit(exit_status_of(operation))
