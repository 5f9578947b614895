"""The kinds of value that options have in common: text, paths, numbers, lists."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from buildr.options.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

_BREAKS = r"[\x00-\x1f\x7f-\x9f\u2028\u2029]"
"""The control characters (Unicode's category Cc) and the two separators that end a line."""
_SURROGATES = r"[\ud800-\udfff]"


def typed(value: object, kind: type[T], accepts: str) -> T:
    """Return the value if it is of a type; text is not converted to numbers, nor the reverse.

    Raises:
        InvalidValueError: it is of another type.
    """
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError:
        raise InvalidValueError(value, accepts) from None


def flag(value: object) -> bool:
    """Return a value that must be ``True`` or ``False``."""
    return typed(value, bool, "True or False")


def text(value: object, accepts: str) -> str:
    """Return text that can be written in a line of a file and in a request to an engine.

    Raises:
        InvalidValueError: it is not text, or contains a control character, a line break or half of a surrogate pair.
    """
    found = str.__str__(typed(value, str, accepts))
    if re.search(_BREAKS, found):
        raise InvalidValueError(
            value, accepts, problem="it contains a control character or a line break"
        )
    if re.search(_SURROGATES, found):
        raise InvalidValueError(value, accepts, problem="it cannot be written as UTF-8")
    return found


def matching(value: object, pattern: str, accepts: str) -> str:
    """Return a text that an expression (ASCII classes) matches from its first to its last character.

    Raises:
        InvalidValueError: it is not text, or does not match.
    """
    found = text(value, accepts)
    if not re.fullmatch(pattern, found, re.ASCII):
        raise InvalidValueError(value, accepts)
    return found


def path(value: object, accepts: str) -> str:
    """Return the text of a path of the host, given as text or as a path object.

    Raises:
        InvalidValueError: it is neither, is empty, or is not plain text.
    """
    given = value
    if isinstance(value, os.PathLike):
        try:
            given = os.fspath(value)
        except TypeError:
            raise InvalidValueError(value, accepts) from None
    found = text(given, accepts)
    if not found.strip():
        raise InvalidValueError(value, accepts, problem="it is empty")
    return found


def container_path(value: object, accepts: str) -> str:
    """Return an absolute path inside the container, without superfluous slashes or dots.

    Raises:
        InvalidValueError: it is relative, the root itself, or contains ``..``.
    """
    found = text(value, accepts)
    if not found.startswith("/"):
        raise InvalidValueError(value, accepts, problem="it is not absolute")
    parts = [part for part in found.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise InvalidValueError(value, accepts, problem="it contains '..'")
    if not parts:
        raise InvalidValueError(value, accepts, problem="it is the root directory")
    return "/" + "/".join(parts)


def number(value: object, least: float, most: float, accepts: str) -> float:
    """Return a number from ``least`` to ``most``.

    Raises:
        InvalidValueError: it is not a number, or out of these bounds.
    """
    found = typed(value, float, accepts)
    if not least <= found <= most:
        raise InvalidValueError(value, accepts)
    return found


def integer(value: object, least: int, most: int, accepts: str) -> int:
    """Return an integer from ``least`` to ``most``.

    Raises:
        InvalidValueError: it is not an integer, or out of these bounds.
    """
    found = typed(value, int, accepts)
    if not least <= found <= most:
        raise InvalidValueError(value, accepts)
    return found


def each(
    value: object,
    read: Callable[[Any], T],
    accepts: str,
) -> list[T]:
    """Read every item of a list, tuple or set.

    Raises:
        InvalidValueError: it is none of these, or an item is invalid; the error contains its index.
    """
    items: Iterable[Any] = typed(value, list, accepts)
    found: list[T] = []
    for index, item in enumerate(items):
        try:
            found.append(read(item))
        except InvalidValueError as error:
            raise error.within(index) from None
    return found


def refuse_repeated(values: Iterable[str], accepts: str, problem: str) -> None:
    """Refuse a list in which a value occurs twice.

    Raises:
        InvalidValueError: one does; the error contains the index of the second.
    """
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            raise InvalidValueError(value, accepts, problem=problem, path=(index,))
        seen.add(value)
