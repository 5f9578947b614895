"""``buildr exec``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from buildr.cli.command import Command, option
from buildr.cli.completions import complete_run
from buildr.cli.engines import engines_option, reached
from buildr.cli.options import interactive_option, options

if TYPE_CHECKING:
    from buildr.host.signals import Signals

_own_options = (
    option(
        "-e",
        "--env",
        "variables",
        multiple=True,
        metavar="NAME[=VALUE]",
        help="A variable for the command; without a value, that of this environment.",
    ),
    option("-w", "--workdir", metavar="PATH", help="Where it starts.  [default: as the run did]"),
    option(
        "-u", "--user", metavar="USER", help="Name or uid, with :GROUP.  [default: the run's own]"
    ),
)


@click.command(
    "exec",
    cls=Command,
    usages=("[OPTIONS] RUN COMMAND [ARGUMENT]...",),
    context_settings={"allow_interspersed_args": False},
)
@click.argument("word", metavar="RUN", shell_complete=complete_run)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@options(engines_option, _own_options, interactive_option)
@click.pass_context
def exec_(  # noqa: PLR0913, PLR0917 - click passes each option by its name
    context: click.Context,
    word: str,
    words: tuple[str, ...],
    backend: str | None,
    variables: tuple[str, ...],
    workdir: str | None,
    user: str | None,
) -> None:
    """Run one more command in the container of a run.

    RUN is the beginning of an id that `buildr ps` shows, or the name of what runs. The command has
    a terminal where all three streams here are one, and pipes otherwise; the exit status is its own.

    On a terminal Ctrl+C is a key like any other, for the command. Otherwise SIGINT is sent to it, and
    kills it the second time; SIGTERM and others are forwarded. This takes `python` in the container.
    """
    from buildr.engines.records import CommandSpec
    from buildr.host import terminal
    from buildr.host.exit_status import exit_status_of
    from buildr.run import runs, stdin
    from buildr.run.exec import execute

    environment = {}
    for variable in variables:
        name, equals, value = variable.partition("=")
        if not name or "\0" in variable:
            raise click.BadParameter(f"{variable!r} has no name.", param_hint="--env")
        if equals:
            environment[name] = value
        elif name in os.environ:
            environment[name] = os.environ[name]

    def operation(signals: Signals) -> int:
        with reached(backend) as engines:
            (run,) = runs.choose(runs.find(engines), (word,))
            tty = terminal.guest_gets_terminal()
            if tty and "TERM" in os.environ:
                environment.setdefault("TERM", os.environ["TERM"])
            spec = CommandSpec(
                command=words,
                environment=environment,
                workdir=workdir,
                user=user,
                tty=tty,
                stdin=not stdin.is_null(),
            )
            return execute(run, spec, signals)

    context.exit(exit_status_of(operation))
