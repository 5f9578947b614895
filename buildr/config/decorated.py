"""The decorator's options as a script's text has them, for commands: nothing of the script is run."""

from __future__ import annotations

import ast
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from buildr.config.layers import DECORATOR, Layer
from buildr.config.source_arithmetic import Computed
from buildr.config.source_bindings import Function, position
from buildr.config.source_calls import called
from buildr.config.source_imports import imported
from buildr.config.source_scopes import Place
from buildr.config.source_values import GROUPS, UNKNOWN, Reader
from buildr.errors import EntryError, OptionError
from buildr.options import read_package, read_runtime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.config.source_scopes import Scope
    from buildr.plan.entry import Entry

__all__ = ["Decorated", "read_decorator", "read_decorator_of"]

_DECORATOR = "Containerize"
_NAME = b"buildr"  # is in every script that imports it
_DEEPEST = 3  # files that are followed from the script


class Decorated(Struct, frozen=True, kw_only=True):
    """What a script's decorator gives.

    Attributes:
        layer: the options that can be read; none where nothing is decorated.
        notes: what cannot be read, a line each, with its place.
    """

    layer: Layer
    notes: tuple[str, ...] = ()


class _Use(NamedTuple):
    """A function that is decorated."""

    name: str
    line: int
    arguments: list[ast.keyword]
    place: Place
    reader: Reader
    file: str
    """As people find it from here."""


def read_decorator(
    path: str, function: str | None = None, *, roots: Sequence[str] = ()
) -> Decorated:
    """Read what the decorator gives to the function that a script calls.

    Args:
        path: the script; empty: a module that only the image has.
        function: the name of the decorated function whose options hold, ``main`` or ``Class.method``.
        roots: where modules of the project are looked for, beside the script's own directory.

    Raises:
        EntryError: the script cannot be read, is not valid Python, has no such decorated function, or has several and it is
            not certain which of them it calls.
        OptionError: an option is wrong; file and line are named.
    """
    shown = _shown(path) if path else "a module that is not here"
    tree = _parse(path, shown) if path else None
    uses = [] if tree is None else _uses_in(tree, path)
    if tree is not None and not uses:
        uses = _imported_uses(tree, path, (os.path.dirname(path), *roots))
    if function is not None:
        chosen = [use for use in uses if use.name == function]
        if not chosen:
            raise EntryError(
                f"{shown} has no decorated function {function}",
                hint=f"Decorated are: {_listed(uses)}."
                if uses
                else "It has no decorated function at all: leave --function out.",
            )
    else:
        names = called(tree, [use.name for use in uses]) if tree and len(uses) > 1 else ()
        chosen = [use for use in uses if use.name in names] or uses
    found = [_read(use) for use in chosen]
    if any(one.layer != found[0].layer or one.notes for one in found[1:]):
        raise EntryError(
            f"{shown} decorates several functions with different options, and which of them it calls first is"
            f" not certain: {_listed(chosen)}",
            hint=f"Name one: --function {chosen[0].name}.",
        )
    return found[0] if found else Decorated(layer=Layer(origin=DECORATOR))


def read_decorator_of(entry: Entry, function: str | None = None) -> Decorated:
    """Read what the decorator gives to a program; see `read_decorator`."""
    roots = (entry.import_root,) if entry.import_root else ()
    return read_decorator(entry.source, function, roots=roots)


def _parse(path: str, shown: str) -> ast.Module | None:
    """Return the tree of a script, or ``None`` where it cannot have a decorator.

    Raises:
        EntryError: it cannot be read, or is not valid Python.
    """
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        raise EntryError(
            f"{shown} cannot be read: {error.strerror}", hint="Make it readable: chmod u+r."
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


def _uses_in(tree: ast.Module, path: str) -> list[_Use]:
    reader = Reader(tree, path)
    return [use for scope in reader.module.walk() for use in _uses(scope, reader, _shown(path))]


def _imported_uses(tree: ast.Module, path: str, roots: Sequence[str]) -> list[_Use]:
    """Return the decorated functions that a script imports and calls, as a ``__main__.py`` may do."""
    names = imported(tree, path, roots)
    return [
        use
        for name in (called(tree, names) if names else ())
        for use in _uses_of(*names[name], roots, _DEEPEST)
    ]


def _uses_of(file: str, name: str, roots: Sequence[str], depth: int) -> list[_Use]:
    """Return a decorated function of a module, which may itself have imported it."""
    tree = _parse(file, _shown(file))
    if tree is None or not depth:
        return []
    uses = [use for use in _uses_in(tree, file) if use.name == name]
    further = imported(tree, file, roots).get(name) if not uses else None
    return _uses_of(*further, roots, depth - 1) if further else uses


def _uses(scope: Scope, reader: Reader, shown: str) -> list[_Use]:
    """Return the functions that a scope decorates."""
    found: list[_Use] = []
    for inner in scope.inner:
        if not isinstance(inner.node, Function):
            continue
        for node in inner.node.decorator_list:
            place = Place(scope, position(node), inner.blocks, position(node))
            arguments = _decoration(node, place, reader)
            if arguments is not None:
                found.append(_Use(inner.name, node.lineno, *arguments, reader, shown))
    for name, value, blocks in scope.values:  # main = Containerize(...)(function)
        if isinstance(value, ast.Call) and len(value.args) == 1 and not value.keywords:
            place = Place(scope, position(value), blocks, position(value))
            arguments = _decoration(value.func, place, reader)
            if arguments is not None:
                full = ".".join(filter(None, (scope.name, name)))
                found.append(_Use(full, value.lineno, *arguments, reader, shown))
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


def _read(use: _Use) -> Decorated:
    """Return the options of one decorator."""
    reader, shown = use.reader, use.file
    notes: list[str] = []

    def note(node: ast.expr, what: str) -> None:
        notes.append(
            f"{shown}:{node.lineno}: {what} is computed when the script runs, so it is not known here"
        )

    groups: dict[str, ast.expr] = {}
    places: dict[str, Place] = {}
    for argument in use.arguments:
        if argument.arg is not None:
            items = [(argument.arg, argument.value, use.place)]
        else:
            try:
                items = reader.pairs(argument.value, use.place)
            except (Computed, RecursionError):
                note(argument.value, "something")
                continue
        for name, value, place in items:
            if name is UNKNOWN:
                note(value, "something")
                continue
            if name not in GROUPS:
                raise OptionError(
                    f"{shown}:{value.lineno}: @Containerize takes no {name!r}",
                    hint="accepted: package={…} for the image, runtime={…} for the run",
                )
            groups[name], places[name] = value, place
    given = {
        kind: _group(kind, groups[kind], places[kind], reader, note) if kind in groups else None
        for kind in GROUPS
    }
    try:
        layer = Layer(
            package=read_package(given["package"]),
            runtime=read_runtime(given["runtime"]),
            origin=DECORATOR,
        )
    except OptionError as error:
        raise OptionError(f"{shown}:{use.line}: {error.what}", hint=error.hint) from None
    return Decorated(layer=layer, notes=tuple(notes))


def _group(kind: str, node: ast.expr, place: Place, reader: Reader, note: Any) -> Any:
    """Return the options of a group, as far as they can be read."""
    if isinstance(node, ast.Constant):
        return node.value
    try:
        pairs = reader.pairs(node, place)
    except (Computed, RecursionError):
        note(node, kind)
        return None
    found: dict[Any, Any] = {}
    for name, (value, there) in {name: (value, there) for name, value, there in pairs}.items():
        if name is UNKNOWN:
            note(value, f"something in {kind}")
            continue
        try:
            found[name] = reader.value(value, there)
        except (Computed, RecursionError):
            note(value, f"{kind}.{name}")
    typed = reader.options_class(node, place)
    try:
        return found if typed is None else typed(**found)
    except TypeError:  # of a name that it does not have; as a dict it gets a better error
        return found


def _shown(path: str) -> str:
    """Return a path as people find it from here."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def _listed(uses: list[_Use]) -> str:
    return ", ".join(f"{use.name} (line {use.line})" for use in uses)
