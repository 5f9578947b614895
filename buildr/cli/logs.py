"""``buildr logs``."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING

import click

from buildr.cli.command import Command, option
from buildr.cli.completions import complete_run
from buildr.cli.engines import engines_option, reached
from buildr.cli.options import options

if TYPE_CHECKING:
    from buildr.host.signals import Signals

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?", re.ASCII)
_UNIT_SECONDS = (86400, 3600, 60, 1)


def _moment(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Return a duration before now, or a time, in seconds since the epoch."""
    from datetime import datetime

    if value is None:
        return None
    if value and (found := _DURATION.fullmatch(value)):
        pairs = zip(found.groups(), _UNIT_SECONDS, strict=True)
        return time.time() - sum(float(count or 0) * unit for count, unit in pairs)
    try:
        return datetime.fromisoformat(value).timestamp()
    except (ValueError, OverflowError, OSError):
        text = f"{value!r} is neither a duration such as 10m or 1h30m nor a time such as 2026-01-31T08:00."
        raise click.BadParameter(text, context, parameter) from None


_own_options = (
    option("-f", "--follow", is_flag=True, help="Go on with what comes, until the run ends."),
    option(
        "-n",
        "--tail",
        type=click.IntRange(min=0),
        metavar="LINES",
        help="Begin with the last lines.  [default: all]",
    ),
    option(
        "--since",
        callback=_moment,
        metavar="TIME",
        help="What was written since: 10m, 1h30m, or 2026-01-31T08:00 in local time.",
    ),
    option("-t", "--timestamps", is_flag=True, help="Begin each line with its time."),
)


@click.command(cls=Command, short_help="Print what a run has written so far.")
@click.argument("word", metavar="RUN", shell_complete=complete_run)
@options(engines_option, _own_options)
@click.pass_context
def logs(  # noqa: PLR0913, PLR0917 - click passes each option by its name
    context: click.Context,
    word: str,
    backend: str | None,
    follow: bool,
    tail: int | None,
    since: float | None,
    timestamps: bool,
) -> None:
    """Print what a run has written so far, its standard error too.

    RUN is the beginning of an id that `buildr ps` shows, or the name of what runs.
    """
    from buildr.engines.streams import STDERR
    from buildr.host.exit_status import exit_status_of
    from buildr.run import runs
    from buildr.run.log_followers import following
    from buildr.run.output import write

    def operation(_signals: Signals) -> int:
        with reached(backend) as engines:
            (run,) = runs.choose(runs.find(engines), (word,))
            with (
                following(run.id) if follow else contextlib.nullcontext(),
                contextlib.closing(
                    run.backend.logs(
                        run.container.id,
                        follow=follow,
                        tail=tail,
                        since=since,
                        timestamps=timestamps,
                    )
                ) as written,
            ):
                while pieces := written.read():
                    for stream, data in pieces:
                        write(2 if stream == STDERR else 1, data)
        return 0

    context.exit(exit_status_of(operation))
