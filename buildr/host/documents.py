"""Parts of documents that others wrote, in TOML or JSON, which may have any form."""

from __future__ import annotations

from typing import Any

__all__ = ["table_at"]


def table_at(document: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the table of a key; an empty one where there is none."""
    found = document.get(key)
    return found if isinstance(found, dict) else {}
