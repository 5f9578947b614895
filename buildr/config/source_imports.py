"""Where the names come from that a script imports; modules of its own project are found, and not imported."""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["imported", "origins"]


def imported(tree: ast.Module, path: str, roots: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the names that a file imports by ``from MODULE import NAME``, where the module is a file of the project.

    Args:
        tree: the file.
        path: its path.
        roots: the directories that modules are looked for in.

    Returns:
        By the name that the file uses: the module's path, and the name there.
    """
    found: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for file in _files(node, path, roots):
                names = {item.asname or item.name: (file, item.name) for item in node.names}
                found |= {name: place for name, place in names.items() if name not in found}
    return found


def _files(node: ast.ImportFrom, path: str, roots: Sequence[str]) -> Iterator[str]:
    """Yield the file of the module that a statement imports from."""
    if node.level:
        folder = path
        for _ in range(node.level):
            folder = os.path.dirname(folder)
        roots = (folder,)
    parts = node.module.split(".") if node.module else []
    for root in roots:
        base = os.path.join(root, *parts)
        for file in (f"{base}.py", os.path.join(base, "__init__.py")):
            if os.path.isfile(file):
                yield file
                return


def origins(tree: ast.Module, public: Sequence[str]) -> dict[str, str]:
    """Return what the names that a script imports stand for, as ``module.name``.

    Args:
        tree: the script.
        public: the names that ``from buildr import *`` imports.
    """
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                top = item.name.partition(".")[0]
                found[item.asname or top] = item.name if item.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for item in node.names:
                is_all = item.name == "*" and node.module == "buildr"
                for name in public if is_all else (item.name,):
                    found[item.asname or name] = f"{node.module}.{name}"
    return found
