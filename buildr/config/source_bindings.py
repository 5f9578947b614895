"""What the statements of one module, class or function bind, change and call, read from its text."""

from __future__ import annotations

import ast
from typing import NamedTuple

__all__ = ["Binding", "Bindings", "Blocks", "Change", "Function", "Position", "position"]

Function = ast.FunctionDef | ast.AsyncFunctionDef
Position = tuple[int, int]
"""Line and column."""
Blocks = tuple[tuple[int, str], ...]
"""The parts of compound statements around a place, from the outside in."""

# They leave their argument, or the object that they belong to, as it is.
_HARMLESS_FUNCTIONS = frozenset(
    (
        *(
            "dict",
            "list",
            "tuple",
            "set",
            "frozenset",
            "len",
            "str",
            "repr",
            "print",
            "sorted",
            "sum",
        ),
        *("min", "max", "any", "all", "isinstance", "enumerate", "zip", "iter", "id", "type"),
    )
)
_HARMLESS_METHODS = frozenset(("get", "copy", "items", "keys", "values", "index", "count"))


def position(node: ast.expr | ast.stmt | ast.alias | ast.ExceptHandler | ast.pattern) -> Position:
    """Return where a node begins."""
    return node.lineno, node.col_offset


class Binding(NamedTuple):
    """A place where a name gets a value."""

    at: Position
    value: ast.expr | None  # of a plain assignment
    blocks: Blocks


class Change(NamedTuple):
    """From here on a name may stand for something else, or its object may have changed."""

    name: str
    at: Position
    function: str  # that has to be called for it; empty: none


class Bindings:
    """The names of one module, class or function, without those of the classes and functions in it.

    Args:
        node: the module, the class or the function.
        harmless: names of functions that leave their arguments as they are, beside the built-in ones.

    Attributes:
        names: the bindings of each name, in order.
        values: what is assigned by plain assignments, in order: name, value, and what is around that.
        changes: where an object changes that a name stands for.
        calls: the functions that are called by their name, and where.
        outer: names that are declared ``global`` or ``nonlocal``.
        aliases: pairs of names that stand for the same object.
        nested: the classes and functions, and what is around each.
    """

    def __init__(
        self, node: ast.Module | ast.ClassDef | Function, harmless: frozenset[str]
    ) -> None:
        self.names: dict[str, list[Binding]] = {}
        self.values: list[tuple[str, ast.expr, Blocks]] = []
        self.changes: list[Change] = []
        self.calls: list[tuple[str, Position]] = []
        self.outer: set[str] = set()
        self.aliases: list[tuple[str, str]] = []
        self.nested: list[tuple[ast.ClassDef | Function, Blocks]] = []
        self._harmless = harmless
        if isinstance(node, Function):
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg):
                    self._bind(argument.arg, position(node), None, ())
        for statement in node.body:
            self._read(statement, ())

    def _read(self, node: ast.AST, blocks: Blocks) -> None:
        """Note what a statement binds, changes and calls."""
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._bind(node.name, position(node), None, blocks)
                for expression in ast.iter_child_nodes(node):
                    if isinstance(expression, (ast.expr, ast.arguments)):
                        self._read_expression(expression, blocks)
                self.nested.append((node, blocks))
                return
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                self.outer.update(names)
            case ast.Assign(targets=targets, value=value):
                if self._assign(targets, value, blocks):
                    return
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                if self._assign([target], value, blocks):
                    return
            case ast.ExceptHandler(name=str(name)):
                self._bind(name, position(node), None, blocks)
        self._read_parts(node, blocks)

    def _read_parts(self, node: ast.AST, blocks: Blocks) -> None:
        for field, value in ast.iter_fields(node):
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, (ast.stmt, ast.ExceptHandler, ast.match_case)):
                    self._read(item, (*blocks, (id(node), field)))
                elif isinstance(item, ast.AST):
                    self._read_expression(item, blocks)

    def _assign(self, targets: list[ast.expr], value: ast.expr, blocks: Blocks) -> bool:
        """Note a plain assignment; return whether it is one."""
        names = [target for target in targets if isinstance(target, ast.Name)]
        if len(names) < len(targets):
            return False
        for target in names:
            self._bind(target.id, position(target), value, blocks)
            self.values.append((target.id, value, blocks))
            if isinstance(value, ast.Name):
                self.aliases.append((target.id, value.id))
        self._read_expression(value, blocks)
        return True

    def _read_expression(self, node: ast.AST, blocks: Blocks) -> None:
        for found in ast.walk(node):
            match found:
                case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                    self._bind(name, position(found), None, blocks)
                case (
                    ast.Subscript(ctx=ast.Store() | ast.Del())
                    | ast.Attribute(ctx=ast.Store() | ast.Del())
                ):
                    self._change(found, position(found))
                case ast.alias(name=name, asname=asname):
                    self._bind(asname or name.partition(".")[0], position(found), None, blocks)
                case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                    self._bind(name, position(found), None, blocks)
                case ast.Call():
                    self._read_call(found)

    def _read_call(self, call: ast.Call) -> None:
        end = call.end_lineno or call.lineno, call.end_col_offset or call.col_offset
        match call.func:
            case ast.Name(id=name):
                self.calls.append((name, position(call)))
                harmless = name in _HARMLESS_FUNCTIONS or name in self._harmless
            case ast.Attribute(value=value, attr=attribute):
                if attribute not in _HARMLESS_METHODS:
                    self._change(value, end)
                harmless = isinstance(value, ast.Name) and value.id in self._harmless
            case _:
                harmless = False
        if not harmless:
            for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
                self._change(argument, end)

    def _bind(self, name: str, at: Position, value: ast.expr | None, blocks: Blocks) -> None:
        self.names.setdefault(name, []).append(Binding(at, value, blocks))

    def _change(self, node: ast.expr, at: Position) -> None:
        """Note that the object behind an expression, such as ``NAME["a"]``, may change."""
        while isinstance(node, (ast.Subscript, ast.Attribute)):
            node = node.value
        if isinstance(node, ast.Name):
            self.changes.append(Change(node.id, at, ""))
