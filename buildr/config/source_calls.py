"""Finds which of several decorated functions a script calls, from its source."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["called"]

_CALLS = ("remote", "map", "spawn")  # of a decorated function: they run it alone


def called(tree: ast.Module, names: Collection[str]) -> list[str]:
    """Return the decorated functions that a run of the script may call first; one, where that is certain.

    What the script does is followed through its own statements, those under ``if __name__ == "__main__":`` too, and into the
    functions of its own that these call.

    Args:
        tree: the script.
        names: of the decorated functions: ``main``, or ``App.serve`` for a method.
    """
    return _Calls(tree, names).found()


class _Calls:
    def __init__(self, tree: ast.Module, names: Collection[str]) -> None:
        self._tree = tree
        self._by_last: dict[str, list[str]] = {}
        for name in names:
            self._by_last.setdefault(name.rpartition(".")[2], []).append(name)
        self._helpers = {
            node.name: node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and node.name not in self._by_last
        }

    def found(self) -> list[str]:
        """See `called`."""
        return self._first(self._tree.body)[0] or self._first(self._tree.body, alone=True)[0]

    def _first(
        self, body: Iterable[ast.stmt], *, deeper: bool = True, alone: bool = False
    ) -> tuple[list[str], bool]:
        """Return what a block may call first, and whether it is certain to call one of these.

        Args:
            body: the block.
            deeper: whether functions of the script are followed.
            alone: whether ``f.remote()`` and the like are what counts, and not ``f()``.
        """
        found: dict[str, None] = {}
        for statement in body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            expressions, blocks = _parts(statement)
            names, certain = self._in_expressions(expressions, deeper=deeper, alone=alone)
            found |= dict.fromkeys(names)
            if certain:
                return [*found], True
            ways = []
            for block in blocks:
                names, certain = self._first(block, deeper=deeper, alone=alone)
                found |= dict.fromkeys(names)
                if certain and _is_entered(statement, block):
                    return [*found], True
                ways.append(certain)
            if isinstance(statement, ast.If) and len(ways) == 2 and all(ways):
                return [*found], True
        return [*found], False

    def _in_expressions(
        self, nodes: list[ast.AST], *, deeper: bool, alone: bool
    ) -> tuple[list[str], bool]:
        inside = [expression for node in nodes for expression in ast.walk(node)]
        branches = any(isinstance(node, ast.IfExp | ast.BoolOp) for node in inside)
        calls = [node.func for node in inside if isinstance(node, ast.Call)]
        if alone:
            held = [c.value for c in calls if isinstance(c, ast.Attribute) and c.attr in _CALLS]
            direct = self._known(held)
        else:
            direct = self._known(calls)
        if direct:
            first = direct[0].rpartition(".")[2]  # methods of several classes may have one name
            alike = [name for name in direct if name.rpartition(".")[2] == first]
            return (direct if branches else alike), not branches
        found: dict[str, None] = {}
        for call in calls if deeper else ():
            if (helper := self._helpers.get(_last_name(call))) is not None:
                names, certain = self._first(helper.body, deeper=False, alone=alone)
                found |= dict.fromkeys(names)
                if certain and not branches:
                    return [*found], True
        if not alone:  # handed to a function that may call it
            held = [node.value for node in inside if isinstance(node, ast.Attribute)]
            free = [n for n in inside if isinstance(n, ast.Name | ast.Attribute) and n not in held]
            found |= dict.fromkeys(self._known(free))
        return [*found], False

    def _known(self, nodes: Iterable[ast.AST]) -> list[str]:
        return list(dict.fromkeys(name for node in nodes for name in self._named(node)))

    def _named(self, node: ast.AST) -> list[str]:
        """Return the decorated functions that an expression may stand for."""
        found = self._by_last.get(_last_name(node), [])
        if len(found) > 1 and isinstance(node, ast.Attribute):
            holder = node.value.func if isinstance(node.value, ast.Call) else node.value
            own = [name for name in found if name.endswith(f"{_last_name(holder)}.{node.attr}")]
            return own or found
        return found


def _parts(statement: ast.stmt) -> tuple[list[ast.AST], list[list[ast.stmt]]]:
    """Return the expressions of a statement, and its blocks."""
    expressions: list[ast.AST] = []
    blocks: list[list[ast.stmt]] = []
    for _, value in ast.iter_fields(statement):
        items = value if isinstance(value, list) else [value]
        if items and isinstance(items[0], ast.stmt):
            blocks.append(items)
            continue
        for item in items:
            if isinstance(item, (ast.ExceptHandler, ast.match_case)):
                blocks.append(item.body)
            elif isinstance(item, ast.AST):
                expressions.append(item)
    return expressions, blocks


def _is_entered(statement: ast.stmt, block: list[ast.stmt]) -> bool:
    """Whether a block of a statement runs whenever the statement does, when the script is started."""
    if isinstance(statement, ast.With | ast.AsyncWith):
        return True
    if isinstance(statement, ast.Try | ast.TryStar):
        return block is statement.body
    return isinstance(statement, ast.If) and block is statement.body and _is_main(statement.test)


def _is_main(test: ast.expr) -> bool:
    match test:
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            sides = {ast.unparse(left), ast.unparse(right)}
            return sides == {"__name__", "'__main__'"}
    return False


def _last_name(node: ast.AST) -> str:
    """Return the last name of an expression: that of a function, or of a method."""
    if isinstance(node, ast.Call):  # f.within(3), of f.within(3).remote(x)
        return _last_name(node.func.value) if isinstance(node.func, ast.Attribute) else ""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
