"""Lines on standard output, with control characters escaped."""

from __future__ import annotations

import click

from buildr.errors import terminal_safe


def echo(text: str, *, err: bool = False) -> None:
    """Print one or several lines."""
    click.echo(terminal_safe(text), err=err)
