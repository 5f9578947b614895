"""Lines on standard output, without the control characters in what they quote."""

from __future__ import annotations

import click

from buildr.errors import terminal_safe


def echo(text: str, *, err: bool = False) -> None:
    """Print a line, or a few."""
    click.echo(terminal_safe(text), err=err)
