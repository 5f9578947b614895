"""Lines on standard output that control no terminal, whoever wrote what is in them."""

from __future__ import annotations

import click

from buildr.errors import terminal_safe


def echo(text: str, *, err: bool = False) -> None:
    """Print a line, or a few."""
    click.echo(terminal_safe(text), err=err)
