"""Finds the import path of the project's own packages.

A project that is a package itself is not installed: its source is in ``/app`` anyway, and every change of it would
mean another installation. What an editable installation would do, a path to import from, the image has as well.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from buildr.dependencies.lockfile import load
from buildr.errors import DependencyError
from buildr.host.documents import table_at

if TYPE_CHECKING:
    from buildr.dependencies.model import ProjectFiles

__all__ = ["source_roots"]

_PLAIN = r"(?!\.\.(?:/|$))[\w.-][\w. /-]*"


def source_roots(project: ProjectFiles, beside: str) -> tuple[str, ...]:
    """Return the folders that hold the project's packages, relative to the context.

    Args:
        project: the project.
        beside: the path of a file in the same folder as ``pyproject.toml``.

    Returns:
        What the build back end is configured with, else ``src`` if it is there, else the project's folder; nothing where
        ``pyproject.toml`` makes it no package.
    """
    top = os.path.dirname(beside)
    path = os.path.join(top, "pyproject.toml")
    if not os.path.lexists(os.path.join(project.context, path)):
        return ()
    data = load(project, path)
    tool = table_at(data, "tool")
    packaged = table_at(tool, "uv").get("package")
    if packaged is False or table_at(tool, "poetry").get("package-mode") is False:
        return ()
    if "build-system" not in data and packaged is not True:
        return ()
    folders = _named(tool) or ["src"]
    found = []
    for folder in folders:
        joined = os.path.normpath(os.path.join(top, folder))
        if not re.fullmatch(_PLAIN, joined):
            raise DependencyError(
                f"{path}: Python in the image cannot import from the folder {folder!r}",
                hint="name it with letters, digits, and . _ - / between them",
            )
        if os.path.isdir(os.path.join(project.context, joined)):
            found.append(joined)
    return tuple(dict.fromkeys(found)) or (top or ".",)


def _named(tool: dict[str, Any]) -> list[str]:
    """Return the folders that build back ends are configured with: setuptools, Poetry, PDM, uv, Hatchling."""
    setuptools = table_at(tool, "setuptools")
    find = table_at(table_at(setuptools, "packages"), "find")
    hatch = table_at(table_at(table_at(table_at(tool, "hatch"), "build"), "targets"), "wheel")
    found: list[Any] = [
        table_at(setuptools, "package-dir").get(""),
        *_list(find, "where"),
        *(
            item.get("from", ".")
            for item in _list(table_at(tool, "poetry"), "packages")
            if isinstance(item, dict)
        ),
        table_at(table_at(tool, "pdm"), "build").get("package-dir"),
        table_at(table_at(tool, "uv"), "build-backend").get("module-root"),
        *(
            os.path.dirname(item) or "."
            for item in _list(hatch, "packages")
            if isinstance(item, str)
        ),
    ]
    return [item or "." for item in found if isinstance(item, str)]


def _list(data: dict[str, Any], key: str) -> list[Any]:
    found = data.get(key)
    return found if isinstance(found, list) else []
