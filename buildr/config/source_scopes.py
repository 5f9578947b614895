"""The names in a script's source: where each is bound, and where its object may change.

Nothing is run, so a name has a value here only where the text leaves no doubt: bound by a plain assignment that every way to its use
goes through, and not changed in between.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from buildr.config.source_bindings import Bindings, Change, Function, Position, position

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.config.source_bindings import Binding, Blocks

__all__ = ["Place", "Scope"]

_END: Position = (1 << 60, 0)  # behind everything


class Place(NamedTuple):
    """Where an expression is evaluated."""

    scope: Scope
    at: Position
    blocks: Blocks | None
    """``None``: whatever has run, as in a function that is called later."""
    until: Position
    """Where its value is used; what changes it before counts."""


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
        self._own = Bindings(node, harmless)
        for nested, around in self._own.nested:
            self.inner.append(Scope(nested, self, around, harmless))
            self._add(self.inner[-1])

    @property
    def values(self) -> list[tuple[str, ast.expr, Blocks]]:
        """What is assigned in it by plain assignments, in order: name, value, and what is around that."""
        return self._own.values

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
        if name in self._own.names and name not in self._own.outer:
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
        if name not in self._own.names:
            return None if self.outer is None else self.outer.find_in_class(name, attribute, place)
        found = [scope for scope in self.inner if scope.at in {b.at for b in self._own.names[name]}]
        if (
            len(self._own.names[name]) > 1
            or not found
            or not isinstance(found[0].node, ast.ClassDef)
        ):
            return None
        if any(change.name == name for change in self._own.changes):
            return None
        return found[0].find(attribute, Place(found[0], _END, (), place.until))

    def binds(self, name: str) -> bool:
        """Whether a name is bound here, or around here, and so does not mean the built-in one."""
        return name in self._own.names or (self.outer is not None and self.outer.binds(name))

    def _last(self, name: str, place: Place) -> Binding | None:
        before = [binding for binding in self._own.names[name] if binding.at < place.at]
        if not before:
            return None
        last, around = before[-1], place.blocks or ()
        return last if around[: len(last.blocks)] == last.blocks else None

    def _is_changed(self, name: str, bound: Position, used: Position) -> bool:
        same = {name}
        while more := {
            other
            for pair in self._own.aliases
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
                else any(called == change.function and at < used for called, at in self._own.calls)
            )
            for change in self._own.changes
        )

    def _add(self, scope: Scope) -> None:
        """Add what an inner scope changes and calls out here."""
        own, inner = self._own, scope._own
        function = "" if isinstance(scope.node, (ast.ClassDef, ast.Module)) else scope.node.name
        own.changes += [
            Change(name, scope.at, function) for name in inner.outer if name in inner.names
        ]
        own.changes += [
            change._replace(function=function or change.function)
            for change in inner.changes
            if change.name not in inner.names or change.name in inner.outer
        ]
        if not function:
            own.calls += inner.calls
