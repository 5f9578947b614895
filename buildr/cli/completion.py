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
_NO_COMPINIT = (
    "print -u2 \"buildr: completion needs zsh's own; add this line above the one of buildr in ~/.zshrc:"
    ' autoload -U compinit && compinit"'
)


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    r"""Print what a shell completes commands and options by.

    \b
    bash:  echo 'eval "$(buildr completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(buildr completion zsh)"' >> ~/.zshrc    (below compinit)
    fish:  buildr completion fish > ~/.config/fish/completions/buildr.fish
    """
    from click.shell_completion import get_completion_class

    from buildr.host.exit_status import exit_status_of

    def operation(_signals: Signals) -> int:
        found = get_completion_class(shell)
        if found is not None:  # click has all of these
            source = found(context.find_root().command, {}, _PROGRAM, VARIABLE).source()
            click.echo(_corrected(shell, source))
        return 0

    context.exit(exit_status_of(operation))


def _corrected(shell: str, source: str) -> str:
    """Return click's source of a completion, with what it lacks."""
    if shell == "fish":
        # A description may have commas of its own.
        return source.replace('string split ","', 'string split --max 1 ","')
    if shell == "zsh":
        return f"if (( ! $+functions[compdef] )); then\n    {_NO_COMPINIT}\nelse\n{source}fi"
    return source
