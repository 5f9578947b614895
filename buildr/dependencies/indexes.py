"""Indexes that a project's own ``pyproject.toml`` names, beside those of pip's configuration.

Only these are told to pip, and only where a locked package comes from them: the usual index, or a mirror of it, is
what pip in the image is configured for. Hashes decide what is installed, whichever index has it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from buildr.dependencies.lockfile import load
from buildr.dependencies.requirement import without_password
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Collection

    from buildr.dependencies.model import ProjectFiles

__all__ = ["line", "options"]


def options(project: ProjectFiles, lock: str, used: Collection[str]) -> tuple[str, ...]:
    """Return lines with options for pip.

    Args:
        project: the project.
        lock: the path of the lock; ``pyproject.toml`` is beside it.
        used: the URLs that packages of the lock come from.

    Raises:
        DependencyError: ``pyproject.toml`` cannot be read, or names an index that is no URL.
    """
    path = os.path.join(os.path.dirname(lock), "pyproject.toml")
    if not used or not os.path.lexists(os.path.join(project.context, path)):
        return ()
    tool = load(project, path).get("tool", {})
    wanted = {_plain(url) for url in used}
    declared = [
        *_tables(tool, "uv", "index"),
        *_tables(tool, "pdm", "source"),
    ]
    lines = [
        line(str(index["url"]), path, only=index.get("default") is True)
        for index in declared
        if _plain(str(index.get("url", ""))) in wanted
    ]
    return tuple(dict.fromkeys(sorted(lines, reverse=True)))  # --index-url first


def line(url: str, where: str, *, only: bool = False) -> str:
    """Return the line that tells pip of an index.

    Args:
        url: its URL.
        where: who names it, for errors.
        only: whether it stands in for the usual one.

    Raises:
        DependencyError: it is no URL that can stand in such a line.
    """
    if (
        not url.startswith(("https://", "http://"))
        or not url.isprintable()
        or set(url) & set(" \\#'\"")
    ):
        raise DependencyError(
            f"{where} names the index {without_password(url)!r}, which is no URL that pip can ask",
            hint="accepted: an index with https://",
        )
    return f"{'--index-url' if only else '--extra-index-url'} {url}"


def _plain(url: str) -> str:
    """Return a URL without credentials, which locks leave out."""
    scheme, separator, rest = url.rstrip("/").partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def _tables(tool: Any, name: str, key: str) -> list[dict[str, Any]]:
    found = tool.get(name, {}) if isinstance(tool, dict) else {}
    found = found.get(key, []) if isinstance(found, dict) else []
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
