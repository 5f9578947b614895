"""``buildr doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildr.cli.command import Command, option
from buildr.cli.options import backend_option, options

if TYPE_CHECKING:
    from buildr.doctor import Status
    from buildr.host.signals import Signals

_COLOURS: dict[Status, str] = {"ok": "green", "warn": "yellow", "fail": "red"}
_own_options = (
    option(
        "--base-image",
        metavar="IMAGE",
        help="Look for this base image.  [default: $BUILDR_BASE_IMAGE, else the Python image]",
    ),
    option("--json", "as_json", is_flag=True, help="Print the checks as JSON."),
)


@click.command(cls=Command)
@options(backend_option, _own_options)
@click.pass_context
def doctor(
    context: click.Context, backend: str | None, base_image: str | None, as_json: bool
) -> None:
    """Check the engines here, and say how to fix what fails.

    Ends with status 1 when no engine can be used.
    """
    import shutil

    from buildr.doctor import examine, report
    from buildr.host import console
    from buildr.host.exit_status import exit_status_of

    def operation(_signals: Signals) -> int:
        findings = examine(flag=backend, base_image=base_image)
        if as_json:
            click.echo(report.as_json(findings))
        else:
            width = min(shutil.get_terminal_size().columns, 100)
            # click takes the colours out where the output is not a terminal.
            colour = None if console.colours_wanted() else False
            for line in report.lines(findings, width=width, paint=_paint):
                click.echo(line, color=colour)
        return 0 if findings.usable else 1

    context.exit(exit_status_of(operation))


def _paint(text: str, status: Status) -> str:
    return click.style(text, fg=_COLOURS[status])
