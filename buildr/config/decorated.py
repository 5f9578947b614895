"""The decorator's options as a script's text has them, for ``buildr config`` and ``eject``: nothing of the script is run."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from buildr import options
from buildr.config.layers import DECORATOR, Layer
from buildr.errors import EntryError
from buildr.options import read_package, read_runtime

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Decorated", "read_decorator"]

_DECORATOR = "Containerize"
_RECORDS = ("BuildSecret", "Mount", "PackageFile", "Port", "Tmpfs")
_GROUPS = {"package": "PackageOptions", "runtime": "RuntimeOptions"}


class Decorated(Struct, frozen=True, kw_only=True):
    """What a script's decorator gives.

    Attributes:
        layer: what the text tells; empty where nothing is decorated.
        notes: what it does not tell, a line each.
    """

    layer: Layer
    notes: tuple[str, ...]


def read_decorator(path: str) -> Decorated:
    """Read the first decorator in a script.

    Raises:
        EntryError: the script cannot be read, or is no Python.
        OptionError: an option is wrong.
    """
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read(), path)
    except OSError as error:
        raise EntryError(
            f"{path} cannot be read: {error.strerror}", hint="Make it readable for you (chmod u+r)."
        ) from None
    except (SyntaxError, ValueError) as error:
        raise EntryError(f"{path} is no Python that this Python reads: {error}") from None
    names = _Names(tree)
    decorators = [node for node in _decorators(tree) if names.of(node) == _DECORATOR]
    notes: list[str] = []
    groups: dict[str, Any] = {"package": None, "runtime": None}
    if len(decorators) > 1:
        notes.append(
            f"line {decorators[1].lineno} decorates, too; shown is line {decorators[0].lineno}"
        )
    for argument in _arguments(decorators[:1]):
        if argument.arg in groups:
            groups[argument.arg] = _group(argument.arg, argument.value, names, notes)
        else:
            notes.append(_computed(argument.value, "something"))
    layer = Layer(
        package=read_package(groups["package"]),
        runtime=read_runtime(groups["runtime"]),
        origin=DECORATOR,
    )
    return Decorated(layer=layer, notes=tuple(notes))


class _Names:
    """What the script calls the names that it imports from Buildr."""

    def __init__(self, tree: ast.Module) -> None:
        self._names: dict[str, str] = {}
        self._modules: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "buildr" and not node.level:
                self._names |= {item.asname or item.name: item.name for item in node.names}
            elif isinstance(node, ast.Import):
                self._modules |= {i.asname or i.name for i in node.names if i.name == "buildr"}

    def of(self, node: ast.expr) -> str:
        """Return the name of Buildr's that an expression is, or calls; empty: none."""
        if isinstance(node, ast.Call):
            node = node.func
        if isinstance(node, ast.Name):
            return self._names.get(node.id, "")
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return node.attr if node.value.id in self._modules else ""
        return ""


def _decorators(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from node.decorator_list


def _arguments(decorators: list[ast.expr]) -> Iterator[ast.keyword]:
    for node in decorators:
        if isinstance(node, ast.Call):
            yield from node.keywords


def _group(kind: str, node: ast.expr, names: _Names, notes: list[str]) -> Any:
    """Return the options of a group: a dict, or an object of its class, as the script gives it."""
    pairs: list[tuple[object, ast.expr]] = []
    typed = names.of(node) == _GROUPS[kind] and isinstance(node, ast.Call)
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant):
                pairs.append((key.value, value))
            else:
                notes.append(_computed(value, f"something in {kind}"))
    elif typed and isinstance(node, ast.Call):
        pairs = [(item.arg, item.value) for item in node.keywords]
    elif not (isinstance(node, ast.Constant) and node.value is None):
        notes.append(_computed(node, kind))
    found: dict[Any, Any] = {}
    for name, value in pairs:
        try:
            found[name] = _value(value, names)
        except (ValueError, TypeError):
            notes.append(_computed(value, f"{kind}.{name}" if name else f"something in {kind}"))
    if not typed:
        return found
    known = {name: value for name, value in found.items() if name}
    return getattr(options, _GROUPS[kind])(**known)


def _value(node: ast.expr, names: _Names) -> Any:
    """Return a value that the text tells.

    Raises:
        ValueError: it is computed when the script runs.
        TypeError: a record of Buildr's has other fields.
    """
    if isinstance(node, ast.Call) and (name := names.of(node)) in _RECORDS:
        arguments = [_value(item, names) for item in node.args]
        fields = {str(item.arg): _value(item.value, names) for item in node.keywords}
        return getattr(options, name)(*arguments, **fields)
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(item, names) for item in node.elts]
    return ast.literal_eval(node)


def _computed(node: ast.expr, what: str) -> str:
    return f"line {node.lineno}: {what} is computed when the script runs, and not known here"
