"""Operations on values that were read from a script's text, within bounds: untrusted text must not cost more."""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LARGEST", "OPERATORS", "Computed", "bounded", "converted"]

LARGEST = 1 << 16
"""Characters or items of a value, or bits of a number, at most."""

OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
}


class Computed(Exception):  # noqa: N818 - not a failure: the running script knows the value
    """A value that only the running script knows."""


def converted(function: Callable[..., Any], *values: Any) -> Any:
    """Return what a function makes of values, such as a list of a tuple.

    Raises:
        Computed: it does not take them.
    """
    try:
        return function(*values)
    except (TypeError, ValueError):
        raise Computed from None


def bounded(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """Return the result of an operation, unless it fails or is very large.

    Raises:
        Computed: it does.
    """
    numbers = [value for value in (left, right) if type(value) is int]
    sizes = [len(value) for value in (left, right) if isinstance(value, (str, bytes, list, tuple))]
    if operation in (operator.pow, operator.lshift):
        too_large = not numbers or abs(numbers[-1]) > 128 or abs(numbers[0]) > LARGEST
    elif operation is operator.mul and sizes:
        too_large = sizes[0] * max(numbers, default=0) > LARGEST
    elif operation is format:
        too_large = any(int(digits) > 128 for digits in _digits(right))
    else:
        bits = (abs(number).bit_length() for number in numbers)
        too_large = sum(sizes) + sum(bits) > LARGEST
    if too_large:
        raise Computed
    try:
        return operation(left, right)
    except (ArithmeticError, TypeError, ValueError):
        raise Computed from None


def _digits(text: str) -> list[str]:
    return "".join(c if c.isdigit() else " " for c in text).split()
