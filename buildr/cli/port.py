"""``buildr port``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildr.cli.command import Command
from buildr.cli.completions import complete_run
from buildr.cli.engines import engines_option, reached
from buildr.cli.options import options

if TYPE_CHECKING:
    from buildr.host.signals import Signals


@click.command(cls=Command, short_help="Show where the ports of a run are reached.")
@click.argument("word", metavar="RUN", shell_complete=complete_run)
@click.argument("port", required=False, metavar="[PORT[/PROTOCOL]]")
@options(engines_option)
@click.pass_context
def port(context: click.Context, word: str, port: str | None, backend: str | None) -> None:
    """Show where the published ports of a run are reached on this host.

    RUN is the beginning of an id that `buildr ps` shows, or the name of what runs. With PORT, one of
    the container's, its address alone is printed.
    """
    from buildr.errors import BuildrError
    from buildr.host.exit_status import exit_status_of
    from buildr.run import runs

    def operation(_signals: Signals) -> int:
        with reached(backend) as engines:
            (run,) = runs.choose(runs.find(engines), (word,))
            state = run.backend.state(run.container.id)
        bound = state.ports if state is not None else ()
        if port is None:
            for one in bound:
                click.echo(f"{one.container}/{one.protocol} -> {one.address}")
            return 0
        number, _, protocol = port.partition("/")
        wanted = (number, protocol or "tcp")
        addresses = [one.address for one in bound if (str(one.container), one.protocol) == wanted]
        if not addresses:
            there = ", ".join(f"{one.container}/{one.protocol}" for one in bound)
            raise BuildrError(
                f"the run {run.short_id} publishes no port {port}",
                hint=f"It publishes: {there}." if there else "It publishes none: see --port.",
            )
        for address in addresses:
            click.echo(address)
        return 0

    context.exit(exit_status_of(operation))
