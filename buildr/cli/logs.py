"""``buildr logs``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from buildr.cli.command import Command, option
from buildr.cli.engines import engines_option, reached
from buildr.cli.options import options

if TYPE_CHECKING:
    from buildr.host.signals import Signals

_own_options = (
    option("-f", "--follow", is_flag=True, help="Go on with what comes, until the run ends."),
)


@click.command(cls=Command, short_help="Print what a run has written so far.")
@click.argument("word", metavar="RUN")
@options(engines_option, _own_options)
@click.pass_context
def logs(context: click.Context, word: str, backend: str | None, follow: bool) -> None:
    """Print what a run has written so far, its standard error too.

    RUN is the beginning of an id that `buildr ps` shows, or the name of what runs.
    """
    from buildr.engines.streams import STDERR
    from buildr.host.exit_status import guarded
    from buildr.run import runs
    from buildr.run.log_followers import following
    from buildr.run.output import write

    def action(_signals: Signals) -> int:
        with reached(backend) as engines:
            (run,) = runs.choose(runs.find(engines), (word,))
            with (
                following(run.id) if follow else contextlib.nullcontext(),
                contextlib.closing(run.backend.logs(run.container.id, follow=follow)) as written,
            ):
                while pieces := written.read():
                    for stream, data in pieces:
                        write(2 if stream == STDERR else 1, data)
        return 0

    context.exit(guarded(action))
