"""Rows of text in columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.errors import terminal_safe

if TYPE_CHECKING:
    from collections.abc import Sequence


def table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return a line for each row, cells under each other; the first row is the heading.

    Control characters are escaped, since names and labels may be untrusted.
    """
    rows = [tuple(map(one_line, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def one_line(text: str) -> str:
    """Return text as one line without control characters."""
    return terminal_safe(text).replace("\n", "\\n").replace("\t", "\\t")
