"""``[tool.uv]``, in ``pyproject.toml`` and in inline metadata: what of it pip can be told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from buildr.dependencies import indexes
from buildr.dependencies.markers import normalised
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["index_lines", "refuse_sources"]


def refuse_sources(data: dict[str, Any], wanted: Sequence[str], path: str, command: str) -> None:
    """Refuse requirements that uv would get from elsewhere: an index may have something else of that name.

    Args:
        data: the file's content.
        wanted: the requirements.
        path: of the file.
        command: what makes the lock that can be read instead.

    Raises:
        DependencyError: there is one.
    """
    sources = _uv(data).get("sources")
    if not isinstance(sources, dict):
        return
    elsewhere = {
        normalised(name): name
        for name, source in sources.items()
        if not (isinstance(source, dict) and [*source] == ["index"])
    }
    for item in wanted:
        match = re.match(r"[A-Za-z0-9._-]+", item)
        name = elsewhere.get(normalised(match[0])) if match else None
        if name is not None:
            raise DependencyError(
                f"{path}: tool.uv.sources.{name} is for uv and not for pip, and there is no lock",
                hint=f"run: {command}",
            )


def index_lines(data: dict[str, Any], path: str) -> tuple[str, ...]:
    """Return the lines that tell pip of ``[[tool.uv.index]]``.

    Raises:
        DependencyError: one is no URL.
    """
    found = _uv(data).get("index", [])
    declared = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    lines = {
        indexes.line(str(item.get("url")), path, only=item.get("default") is True)
        for item in declared
    }
    return tuple(sorted(lines, reverse=True))  # --index-url first


def _uv(data: dict[str, Any]) -> dict[str, Any]:
    tool = data.get("tool")
    uv = tool.get("uv") if isinstance(tool, dict) else None
    return uv if isinstance(uv, dict) else {}
