"""Reads foreign TOML and JSON documents, and writes JSON for people and programs."""

from __future__ import annotations

import json
from typing import Any

from buildr.errors import terminal_safe

__all__ = ["json_text", "read_json", "table_at"]


def table_at(document: object, key: str) -> dict[str, Any]:
    """Return the table of a key; an empty one if it is missing or the document is not a table."""
    found = document.get(key) if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}


def read_json(data: bytes | bytearray, *, most_values: int) -> Any:
    """Decode JSON with bounded memory, which depends on the number of values, not only on the length.

    Args:
        data: the document, in UTF-8.
        most_values: the maximum number of values, including nested ones, of about 200 bytes of memory each.

    Raises:
        ValueError: it is not JSON, or has more values.
        RecursionError: it is nested too deeply.
    """
    # Each value except the first follows one of these characters. Those in strings are counted, too.
    if len(data) > most_values and sum(map(data.count, (b"[", b"{", b","))) >= most_values:
        raise ValueError(f"more than {most_values} values")
    return json.loads(data, parse_constant=_no_constant)


def json_text(document: object) -> str:
    """Return a document as JSON in which all control characters are escaped."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if terminal_safe(text) == text:
        return text
    return "".join(
        char if char == "\n" or terminal_safe(char) == char else f"\\u{ord(char):04x}"
        for char in text
    )


def _no_constant(name: str) -> object:
    """Refuse NaN and the infinities, which JSON does not have (RFC 8259)."""
    raise ValueError(f"{name} is not JSON")
