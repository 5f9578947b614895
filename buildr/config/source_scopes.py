"""The names of a script as its text has them: where each is bound, and where what it names may change.

Nothing is run, so a name has a value here only where the text leaves no doubt: bound by a plain assignment that every way to its use
goes through, and not changed in between.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Function", "Place", "Position", "Scope", "position"]

Function = ast.FunctionDef | ast.AsyncFunctionDef
Position = tuple[int, int]
"""Line and column."""

_END: Position = (1 << 60, 0)  # behind everything

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


Blocks = tuple[tuple[int, str], ...]
"""The parts of compound statements around a place, from the outside in."""


def position(node: ast.expr | ast.stmt | ast.alias | ast.ExceptHandler | ast.pattern) -> Position:
    """Return where a node begins."""
    return node.lineno, node.col_offset


class Place(NamedTuple):
    """Where an expression is evaluated."""

    scope: Scope
    at: Position
    blocks: Blocks | None
    """``None``: whatever has run, as in a function that is called later."""
    until: Position
    """Where its value is used; what changes it before counts."""


class _Binding(NamedTuple):
    at: Position
    value: ast.expr | None  # of a plain assignment
    blocks: Blocks


class _Change(NamedTuple):
    """What a name stands for may be another one, or look otherwise, from here on."""

    name: str
    at: Position
    function: str  # that has to be called for it; empty: none


class Scope:
    """A module, a class or a function, with the names that are bound in it.

    Args:
        node: the module, the class or the function.
        outer: the scope around it.
        blocks: what is around it in the outer scope.
        harmless: names of functions that leave their arguments as they are, beside the built-in ones.

    Attributes:
        node: the module, the class or the function.
        inner: the scopes in it.
        at: where it begins.
        blocks: what is around it in the outer scope.
        values: what is assigned in it by plain assignments, in order: name, value, and what is around that.
    """

    def __init__(
        self,
        node: ast.Module | ast.ClassDef | Function,
        outer: Scope | None = None,
        blocks: Blocks = (),
        harmless: frozenset[str] = frozenset(),
    ) -> None:
        self.node = node
        self.outer = outer
        self.inner: list[Scope] = []
        self.at: Position = (0, 0) if isinstance(node, ast.Module) else position(node)
        self.blocks = blocks
        self.values: list[tuple[str, ast.expr, Blocks]] = []
        self._harmless = harmless
        self._bindings: dict[str, list[_Binding]] = {}
        self._changes: list[_Change] = []
        self._calls: list[tuple[str, Position]] = []
        self._globals: set[str] = set()
        self._aliases: list[tuple[str, str]] = []
        if isinstance(node, Function):
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg):
                    self._bind(argument.arg, self.at, None, ())
        for statement in node.body:
            self._read(statement, ())

    @property
    def name(self) -> str:
        """The name, with those of the classes and functions around it; empty for a module."""
        if isinstance(self.node, ast.Module) or self.outer is None:
            return ""
        return ".".join(filter(None, (self.outer.name, self.node.name)))

    def walk(self) -> Iterator[Scope]:
        """Yield this scope and all that are in it."""
        yield self
        for scope in self.inner:
            yield from scope.walk()

    def find(self, name: str, place: Place) -> tuple[ast.expr, Place] | None:
        """Return the expression that a name stands for, and the place where that is evaluated.

        Args:
            name: the name.
            place: where it is used, in this scope.

        Returns:
            ``None`` where the text does not say.
        """
        if name in self._bindings and name not in self._globals:
            binding = self._last(name, place)
            if binding is None or binding.value is None:
                return None
            if self._is_changed(name, binding.at, place.until):
                return None
            return binding.value, Place(self, binding.at, binding.blocks, place.until)
        if self.outer is None:
            return None
        outer = self.outer
        if not isinstance(self.node, Function):
            return outer.find(name, Place(outer, self.at, self.blocks, place.until))
        # It is called at some time after its definition, and sees no names of classes:
        # https://docs.python.org/3/reference/executionmodel.html#resolution-of-names
        while isinstance(outer.node, ast.ClassDef) and outer.outer is not None:
            outer = outer.outer
        return outer.find(name, Place(outer, _END, None, _END))

    def find_in_class(
        self, name: str, attribute: str, place: Place
    ) -> tuple[ast.expr, Place] | None:
        """Return the expression that an attribute of a class stands for, as `find` does for a name."""
        if name not in self._bindings:
            return None if self.outer is None else self.outer.find_in_class(name, attribute, place)
        found = [scope for scope in self.inner if scope.at in {b.at for b in self._bindings[name]}]
        if (
            len(self._bindings[name]) > 1
            or not found
            or not isinstance(found[0].node, ast.ClassDef)
        ):
            return None
        if any(change.name == name for change in self._changes):
            return None
        return found[0].find(attribute, Place(found[0], _END, (), place.until))

    def binds(self, name: str) -> bool:
        """Whether a name is bound here, or around here, and so does not mean the built-in one."""
        return name in self._bindings or (self.outer is not None and self.outer.binds(name))

    def _last(self, name: str, place: Place) -> _Binding | None:
        before = [binding for binding in self._bindings[name] if binding.at < place.at]
        if not before:
            return None
        last, around = before[-1], place.blocks or ()
        return last if around[: len(last.blocks)] == last.blocks else None

    def _is_changed(self, name: str, bound: Position, used: Position) -> bool:
        same = {name}
        while more := {
            other
            for pair in self._aliases
            if not same.isdisjoint(pair)
            for other in pair
            if other not in same
        }:
            same |= more
        return any(
            change.name in same
            and (
                bound < change.at < used
                if not change.function
                else any(called == change.function and at < used for called, at in self._calls)
            )
            for change in self._changes
        )

    def _read(self, node: ast.AST, blocks: Blocks) -> None:
        """Note what a statement binds, changes and calls."""
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._bind(node.name, position(node), None, blocks)
                for expression in ast.iter_child_nodes(node):
                    if isinstance(expression, (ast.expr, ast.arguments)):
                        self._read_expression(expression, blocks)
                self._nest(node, blocks)
                return
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                self._globals.update(names)
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
                self._aliases.append((target.id, value.id))
        self._read_expression(value, blocks)
        return True

    def _nest(self, node: ast.ClassDef | Function, blocks: Blocks) -> None:
        scope = Scope(node, self, blocks, self._harmless)
        self.inner.append(scope)
        function = "" if isinstance(node, ast.ClassDef) else node.name
        for name in scope._globals:
            if name in scope._bindings:
                self._changes.append(_Change(name, position(node), function))
        self._changes += [
            change._replace(function=function or change.function)
            for change in scope._changes
            if change.name not in scope._bindings or change.name in scope._globals
        ]
        if not function:
            self._calls += scope._calls

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
                self._calls.append((name, position(call)))
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
        self._bindings.setdefault(name, []).append(_Binding(at, value, blocks))

    def _change(self, node: ast.expr, at: Position) -> None:
        """Note that the object behind an expression, such as ``NAME["a"]``, may change."""
        while isinstance(node, (ast.Subscript, ast.Attribute)):
            node = node.value
        if isinstance(node, ast.Name):
            self._changes.append(_Change(node.id, at, ""))
