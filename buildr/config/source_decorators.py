"""The functions that a script decorates, in its own text or in that of modules of its project."""

from __future__ import annotations

import ast
import os
import sys
import warnings
from typing import TYPE_CHECKING, NamedTuple

from buildr.config.source_bindings import Function, position
from buildr.config.source_calls import called
from buildr.config.source_imports import imported
from buildr.config.source_scopes import Place
from buildr.config.source_values import Reader
from buildr.errors import EntryError
from buildr.host.files import SCRIPT_BYTES, read_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.config.source_scopes import Scope

__all__ = ["Use", "imported_uses", "parse", "shown_path", "uses_in"]

_DECORATOR = "Containerize"
_NAME = b"buildr"  # is in every script that imports it
_DEEPEST = 3  # files that are followed from the script


class Use(NamedTuple):
    """A function that is decorated."""

    name: str
    line: int
    arguments: list[ast.keyword]
    place: Place
    reader: Reader
    file: str
    """As people find it from here."""


def parse(path: str, shown: str) -> ast.Module | None:
    """Return the tree of a script, or ``None`` where it cannot have a decorator.

    Raises:
        EntryError: it cannot be read, or is not valid Python.
    """
    try:
        source = read_file(path, SCRIPT_BYTES)
    except OSError as error:
        raise EntryError(
            f"{shown} cannot be read: {error.strerror}",
            hint="Make it a regular file that you may read.",
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the script; they come when it runs
            return ast.parse(source, path)
    except SyntaxError as error:
        if _NAME not in source:
            return None  # it decorates nothing, and Python reports the error where the script runs
        place = f"{shown}:{error.lineno}" if error.lineno else shown
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise EntryError(
            f"{place}: {error.msg}",
            hint=f"Its decorator cannot be read. Correct the syntax; if it is that of a newer Python than {version}, which"
            " runs this command, install Buildr with that one.",
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        if _NAME not in source:
            return None
        raise EntryError(f"{shown} cannot be read as Python: {error}") from None


def uses_in(tree: ast.Module, path: str) -> list[Use]:
    """Return the functions that a file decorates.

    Args:
        tree: the file.
        path: its path.
    """
    reader = Reader(tree, path)
    return [use for scope in reader.module.walk() for use in _uses(scope, reader, shown_path(path))]


def imported_uses(tree: ast.Module, path: str, roots: Sequence[str]) -> list[Use]:
    """Return the decorated functions that a script imports and calls, as a ``__main__.py`` may do."""
    names = imported(tree, path, roots)
    return [
        use
        for name in (called(tree, names) if names else ())
        for use in _uses_of(*names[name], roots, _DEEPEST)
    ]


def _uses_of(file: str, name: str, roots: Sequence[str], depth: int) -> list[Use]:
    """Return a decorated function of a module, which may itself have imported it."""
    tree = parse(file, shown_path(file))
    if tree is None or not depth:
        return []
    uses = [use for use in uses_in(tree, file) if use.name == name]
    further = imported(tree, file, roots).get(name) if not uses else None
    return _uses_of(*further, roots, depth - 1) if further else uses


def _uses(scope: Scope, reader: Reader, shown: str) -> list[Use]:
    """Return the functions that a scope decorates."""
    found: list[Use] = []
    for inner in scope.inner:
        if not isinstance(inner.node, Function):
            continue
        for node in inner.node.decorator_list:
            place = Place(scope, position(node), inner.blocks, position(node))
            arguments = _decoration(node, place, reader)
            if arguments is not None:
                found.append(Use(inner.name, node.lineno, *arguments, reader, shown))
    for name, value, blocks in scope.values:  # main = Containerize(...)(function)
        if isinstance(value, ast.Call) and len(value.args) == 1 and not value.keywords:
            place = Place(scope, position(value), blocks, position(value))
            arguments = _decoration(value.func, place, reader)
            if arguments is not None:
                full = ".".join(filter(None, (scope.name, name)))
                found.append(Use(full, value.lineno, *arguments, reader, shown))
    return found


def _decoration(
    node: ast.expr, place: Place, reader: Reader
) -> tuple[list[ast.keyword], Place] | None:
    """Return the arguments of a decorator, and where they are evaluated; ``None`` where it is not Buildr's."""
    if reader.name_of(node, place) == _DECORATOR:
        return [], place
    if isinstance(node, ast.Call) and reader.name_of(node.func, place) == _DECORATOR:
        return node.keywords, place
    if isinstance(node, ast.Name) and (bound := place.scope.find(node.id, place)) is not None:
        return _decoration(*bound, reader)
    return None


def shown_path(path: str) -> str:
    """Return a path as people find it from here."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
