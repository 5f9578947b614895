"""When a detached container counts as ready: ``wait_for``, such as ``["port:8080", "log:Listening on"]``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from buildr.options.errors import InvalidValueError
from buildr.options.values import each, text

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Condition", "wait_for"]

_ACCEPTS = (
    '"port:N" (something accepts connections there), "http:N/path" (it answers with a status from 200 to 399), "log:REGEX" (a line'
    ' of its output), "healthy" (its health check), or a list of these'
)


_LONGEST_PATTERN = 1000


class Condition(Struct, frozen=True):
    """A condition for being ready.

    Attributes:
        kind: ``port``, ``http``, ``log`` or ``healthy``.
        port: the guest's, for the first two.
        path: with its query, for ``http``; it begins with ``/``.
        pattern: what `re.search` looks for in each line, for ``log``.
    """

    kind: Literal["port", "http", "log", "healthy"]
    port: int = 0
    path: str = ""
    pattern: str = ""

    def __str__(self) -> str:
        """Return it as it may be written."""
        if self.kind == "log":
            return f"log:{self.pattern}"
        return self.kind if self.kind == "healthy" else f"{self.kind}:{self.port}{self.path}"


def wait_for(value: object) -> tuple[Condition, ...]:
    """Read the option ``wait_for``: one condition or several.

    Raises:
        InvalidValueError: it is not a condition.
    """
    if isinstance(value, (str, Condition)):
        value = (value,)
    return tuple(each(value, _condition, _ACCEPTS))


def _condition(value: object) -> Condition:
    if isinstance(value, Condition):
        value = str(value)
    kind, colon, rest = text(value, _ACCEPTS).partition(":")
    reader = _READERS.get(kind)
    if kind == "healthy" and not colon:
        return Condition("healthy")
    if reader is None or not rest:
        raise InvalidValueError(value, _ACCEPTS)
    return reader(rest, value)


def _port(rest: str, value: object) -> Condition:
    return Condition("port", port=_number(rest, value))


def _http(rest: str, value: object) -> Condition:
    number, _, path = rest.partition("/")
    path = f"/{path}"
    if not path.isascii() or not path.isprintable() or " " in path:
        raise InvalidValueError(
            value, _ACCEPTS, problem="the path has characters that have to be written as %XX"
        )
    return Condition("http", port=_number(number, value), path=path)


def _number(digits: str, value: object) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", digits) or not 0 < int(digits) < 1 << 16:
        raise InvalidValueError(value, _ACCEPTS, problem="a port is a number from 1 to 65535")
    return int(digits)


def _log(rest: str, value: object) -> Condition:
    if len(rest) > _LONGEST_PATTERN:
        problem = f"a regular expression has at most {_LONGEST_PATTERN} characters"
        raise InvalidValueError(value, _ACCEPTS, problem=problem)
    try:
        re.compile(rest)
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidValueError(
            value, _ACCEPTS, problem=f"it is not a regular expression: {error}"
        ) from None
    return Condition("log", pattern=rest)


_READERS: dict[str, Callable[[str, object], Condition]] = {
    "port": _port,
    "http": _http,
    "log": _log,
}
