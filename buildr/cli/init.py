"""``buildr init``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from buildr.cli.command import Command

if TYPE_CHECKING:
    from buildr.host.signals import Signals


@click.command(cls=Command)
@click.argument("directory", default=".", type=click.Path())
@click.pass_context
def init(context: click.Context, directory: str) -> None:
    """Write a commented [tool.buildr] into pyproject.toml.

    The file is created in DIRECTORY, or the table is appended to it. Nothing is overwritten, and no
    option is set until its # is removed.
    """
    from buildr.config.template import write_template
    from buildr.host.exit_status import exit_status_of

    def operation(_signals: Signals) -> int:
        made = write_template(directory)
        click.echo(
            f"{'made' if made else 'added to'} {click.format_filename(directory)}/pyproject.toml"
        )
        return 0

    context.exit(exit_status_of(operation))
