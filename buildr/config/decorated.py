"""Reads the decorator's options from a script's source, without running any of it."""

from __future__ import annotations

import ast
import os
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from buildr.config.layers import DECORATOR, Layer
from buildr.config.source_arithmetic import Computed
from buildr.config.source_calls import called
from buildr.config.source_decorators import Use, imported_uses, parse, shown_path, uses_in
from buildr.config.source_values import GROUPS, UNKNOWN
from buildr.errors import EntryError, OptionError
from buildr.options import read_package, read_runtime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.config.source_scopes import Place
    from buildr.config.source_values import Reader
    from buildr.plan.entry import Entry

__all__ = ["Decorated", "read_decorator", "read_decorator_of"]


class Decorated(Struct, frozen=True, kw_only=True):
    """The options of a script's decorator.

    Attributes:
        layer: the readable options; none if nothing is decorated.
        notes: unreadable options, a line each, with their place.
    """

    layer: Layer
    notes: tuple[str, ...] = ()


def read_decorator(
    path: str, function: str | None = None, *, roots: Sequence[str] = ()
) -> Decorated:
    """Read the decorator's options of the function that a script calls.

    Args:
        path: the script; empty: a module that only the image has.
        function: the name of the decorated function whose options hold, ``main`` or ``Class.method``.
        roots: where modules of the project are looked for, beside the script's own directory.

    Raises:
        EntryError: the script cannot be read, is not valid Python, has no such decorated function, or has several and it is
            not certain which of them it calls.
        OptionError: an option is wrong; file and line are named.
    """
    shown = shown_path(path) if path else "a module that is not here"
    tree = parse(path, shown) if path else None
    uses = [] if tree is None else uses_in(tree, path)
    if tree is not None and not uses:
        uses = imported_uses(tree, path, (os.path.dirname(path), *roots))
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
    """Read the decorator's options of a program; see `read_decorator`."""
    roots = (entry.import_root,) if entry.import_root else ()
    return read_decorator(entry.source, function, roots=roots)


def _read(use: Use) -> Decorated:
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


def _listed(uses: list[Use]) -> str:
    return ", ".join(f"{use.name} (line {use.line})" for use in uses)
