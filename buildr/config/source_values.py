"""Reads values from a script's source: literals, names, and combinations of both.

Longer than 250 lines: one reader, whose methods call each other.
"""

from __future__ import annotations

import ast
import operator
import os
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from buildr import options
from buildr.config.source_arithmetic import LARGEST, OPERATORS, Computed, bounded, converted
from buildr.config.source_functions import ATTRIBUTES, BUILT_IN, FUNCTIONS, METHODS
from buildr.config.source_imports import origins
from buildr.config.source_scopes import Place, Scope

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["UNKNOWN", "Pair", "Reader"]

Pair = tuple[Any, ast.expr, Place]
"""An item of a mapping: key, value, and the place where the value is evaluated."""
UNKNOWN = object()
"""The key of what is unpacked into a mapping and is not known; what stood before it may be replaced by it, and is
left out.
"""

RECORDS = ("BuildSecret", "Mount", "PackageFile", "Port", "Tmpfs")
GROUPS = {"package": "PackageOptions", "runtime": "RuntimeOptions"}
_PUBLIC = ("Containerize", *GROUPS.values(), *RECORDS)
_HARMLESS = ("buildr", *FUNCTIONS)  # they leave their arguments as they are
_DISPLAYS: dict[type[ast.expr], Callable[[Any], Any]] = {
    ast.List: list,
    ast.Tuple: tuple,
    ast.Set: set,
}
_MOST_STEPS = 100_000  # untrusted text must not cost more
_CONVERSIONS: dict[int, Callable[[object], object]] = {
    -1: lambda value: value,
    ord("s"): str,
    ord("r"): repr,
    ord("a"): ascii,
}


class Reader:
    """Reads values in the text of one script.

    Args:
        tree: the script.
        path: its path.

    Attributes:
        module: its names.
    """

    def __init__(self, tree: ast.Module, path: str) -> None:
        self._path = os.path.abspath(path)
        self._origins = origins(tree, _PUBLIC)
        known = (name for name, origin in self._origins.items() if origin.startswith(_HARMLESS))
        self.module = Scope(tree, harmless=frozenset(known))
        self._steps = 0
        self._readers: dict[type[ast.expr], Callable[[Any, Place], Any]] = {
            ast.Constant: lambda node, _place: node.value,
            ast.Name: self._name,
            ast.Subscript: self._subscript,
            ast.List: self._sequence,
            ast.Tuple: self._sequence,
            ast.Set: self._sequence,
            ast.JoinedStr: self._text,
            ast.FormattedValue: self._formatted,
            ast.UnaryOp: self._unary,
            ast.BinOp: self._binary,
            ast.Call: self._call,
            ast.Attribute: self._attribute,
        }

    def options_class(self, node: ast.expr, place: Place) -> type[Any] | None:
        """Return the class of the options that an expression makes, such as ``PackageOptions(...)``; ``None``: a dict."""
        while isinstance(node, ast.Name) and (found := place.scope.find(node.id, place)):
            node, place = found
        name = self.name_of(node.func, place) if isinstance(node, ast.Call) else ""
        return getattr(options, name) if name in GROUPS.values() else None

    def name_of(self, node: ast.expr, place: Place) -> str:
        """Return the name of Buildr's that an expression stands for; empty: none."""
        module, _, name = self._origin(node, place).partition(".")
        return name if module == "buildr" else ""

    def _origin(self, node: ast.expr, place: Place) -> str:
        """Return the module and the name that an expression is imported by, such as ``os.path.join``; empty: none."""
        if isinstance(node, ast.Attribute):
            holder = self._origin(node.value, place)
            return f"{holder}.{node.attr}" if holder else ""
        if isinstance(node, ast.Name):
            if node.id in self._origins:
                return self._origins[node.id]
            if (found := place.scope.find(node.id, place)) is not None:
                return self._origin(*found)
        return ""

    def pairs(self, node: ast.expr, place: Place) -> list[Pair]:
        """Return the items of a mapping or of a record of options; the last of one key counts.

        Raises:
            Computed: the text does not say which there are.
        """
        self._step()
        match node:
            case ast.Dict():
                return self._pairs_of_dict(node, place)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return [*self.pairs(left, place), *self.pairs(right, place)]
            case ast.Name(id=name):
                return self.pairs(*self._follow(name, place))
            case ast.Subscript():
                return self.pairs(*self._item(node, place))
            case ast.Call(func=ast.Attribute(value=value, attr="copy"), args=[], keywords=[]):
                return self.pairs(value, place)
            case ast.Call():
                return self._pairs_of_call(node, place)
        raise Computed

    def _pairs_of_dict(self, node: ast.Dict, place: Place) -> list[Pair]:
        found: list[Pair] = []
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:  # **value
                found = self._unpacked(found, value, place)
            else:
                known = self.value(key, place)
                converted(hash, known)
                found.append((known, value, place))
        return found

    def _unpacked(self, before: list[Pair], value: ast.expr, place: Place) -> list[Pair]:
        try:
            return [*before, *self.pairs(value, place)]
        except Computed:
            return [(UNKNOWN, value, place)]

    def _pairs_of_call(self, node: ast.Call, place: Place) -> list[Pair]:
        """Return the items of ``dict(...)``, ``PackageOptions(...)`` or ``RuntimeOptions(...)``."""
        is_dict = self._builtin(node.func, place) == "dict"
        if not is_dict and self.name_of(node.func, place) not in GROUPS.values():
            raise Computed
        if len(node.args) > is_dict:
            raise Computed
        found = [pair for argument in node.args for pair in self.pairs(argument, place)]
        for keyword in node.keywords:
            if keyword.arg is None:
                found = self._unpacked(found, keyword.value, place)
            else:
                found.append((keyword.arg, keyword.value, place))
        return found

    def value(self, node: ast.expr, place: Place) -> Any:
        """Return the value of an expression.

        Raises:
            Computed: the source does not determine it.
        """
        self._step()
        read = self._readers.get(type(node))
        return read(node, place) if read is not None else self._mapping(node, place)

    def _mapping(self, node: ast.expr, place: Place) -> dict[Any, Any]:
        pairs = self.pairs(node, place)
        if any(key is UNKNOWN for key, _, _ in pairs):
            raise Computed
        return {key: self.value(value, there) for key, value, there in pairs}

    def _name(self, node: ast.Name, place: Place) -> Any:
        if node.id == "__file__" and not place.scope.binds(node.id):
            return self._path
        return self.value(*self._follow(node.id, place))

    def _subscript(self, node: ast.Subscript, place: Place) -> Any:
        return self.value(*self._item(node, place))

    def _sequence(self, node: ast.List | ast.Tuple | ast.Set, place: Place) -> Any:
        return self._items(node.elts, place, _DISPLAYS[type(node)])

    def _text(self, node: ast.JoinedStr, place: Place) -> Any:
        return self._items(node.values, place, "".join)

    def _formatted(self, node: ast.FormattedValue, place: Place) -> Any:
        value = _CONVERSIONS[node.conversion](self.value(node.value, place))
        return bounded(
            format, value, self.value(node.format_spec, place) if node.format_spec else ""
        )

    def _unary(self, node: ast.UnaryOp, place: Place) -> Any:
        if not isinstance(node.op, ast.USub):
            raise Computed
        return bounded(operator.sub, 0, self.value(node.operand, place))

    def _binary(self, node: ast.BinOp, place: Place) -> Any:
        if isinstance(node.op, ast.BitOr):
            return self._mapping(node, place)
        if type(node.op) not in OPERATORS:
            raise Computed
        operands = self.value(node.left, place), self.value(node.right, place)
        return bounded(OPERATORS[type(node.op)], *operands)

    def _call(self, node: ast.Call, place: Place) -> Any:
        name = self.name_of(node.func, place)
        if name in RECORDS:
            return self._record(getattr(options, name), node, place)
        function = BUILT_IN.get(self._builtin(node.func, place))
        function = function or FUNCTIONS.get(self._origin(node.func, place))
        if function is not None and not node.keywords:
            return converted(function, *self._items(node.args, place, list))
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            path = self.value(node.func.value, place)
            if isinstance(path, PurePath) and not node.keywords:
                arguments = self._items(node.args, place, list)
                return converted(METHODS[node.func.attr], path, *arguments)
        return self._mapping(node, place)

    def _attribute(self, node: ast.Attribute, place: Place) -> Any:
        """Return an attribute of a path, or of a class of the script."""
        if isinstance(node.value, ast.Name):
            found = place.scope.find_in_class(node.value.id, node.attr, place)
            if found is not None:
                return self.value(*found)
        value = self.value(node.value, place)
        if isinstance(value, PurePath) and node.attr in ATTRIBUTES:
            return getattr(value, node.attr)
        raise Computed

    def _record(self, kind: type[Any], node: ast.Call, place: Place) -> Any:
        values = [self.value(argument, place) for argument in node.args]
        fields = {str(item.arg): self.value(item.value, place) for item in node.keywords}
        try:
            return kind(*values, **fields)
        except TypeError:  # it has other fields
            raise Computed from None

    def _step(self) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise Computed

    def _follow(self, name: str, place: Place) -> tuple[ast.expr, Place]:
        if (found := place.scope.find(name, place)) is None:
            raise Computed
        return found

    def _builtin(self, node: ast.expr, place: Place) -> str:
        is_name = isinstance(node, ast.Name) and not place.scope.binds(node.id)
        return node.id if isinstance(node, ast.Name) and is_name else ""

    def _item(self, node: ast.Subscript, place: Place) -> tuple[ast.expr, Place]:
        """Return the value at a key of a mapping, or an index of a list."""
        key = self.value(node.slice, place)
        holder, there = node.value, place
        while isinstance(holder, ast.Name):
            holder, there = self._follow(holder.id, there)
        if isinstance(holder, (ast.List, ast.Tuple)):
            if type(key) is int and -len(holder.elts) <= key < len(holder.elts):
                return holder.elts[key], there
            raise Computed
        found = [pair for pair in self.pairs(holder, there) if pair[0] == key]
        if not found:
            raise Computed
        return found[-1][1:]

    def _items(self, items: list[ast.expr], place: Place, kind: Callable[[list[Any]], Any]) -> Any:
        found: list[Any] = []
        for item in items:
            if isinstance(item, ast.Starred):
                found += converted(list, self.value(item.value, place))
            else:
                found.append(self.value(item, place))
        made = converted(kind, found)
        if len(made) > LARGEST:
            raise Computed
        return made
