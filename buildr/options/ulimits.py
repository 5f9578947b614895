"""Limits of processes: ``{"nofile": 1024}``, ``{"nofile": (1024, 4096)}``, ``"nofile=1024:4096"``; see setrlimit(2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.options.errors import InvalidValueError, did_you_mean
from buildr.options.values import each, integer, refuse_repeated, text

if TYPE_CHECKING:
    from typing import Any

__all__ = ["UNLIMITED", "Ulimit", "ulimits"]

UNLIMITED = -1
_MOST = (1 << 63) - 1
_NAMES = (
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
)
_LIMIT = 'a number, 0 or more, or -1 ("unlimited")'
_ITEM = '"name=soft" or "name=soft:hard", such as "nofile=1024:4096"'
_ACCEPTS = f'a dict {{"nofile": 1024}}, {{"nofile": [soft, hard]}}, or a list, each {_ITEM}'


class Ulimit(Struct, frozen=True):
    """A limit of each process.

    Attributes:
        name: as ``ulimit`` and limits.conf(5) have it, ``nofile``.
        soft: the limit in force, in its unit: bytes, seconds or a count. `UNLIMITED`: none.
        hard: how far the process can raise it.
    """

    name: str
    soft: int
    hard: int

    def __str__(self) -> str:
        """As a flag has it, ``nofile=1024:4096``."""
        return f"{self.name}={self.soft}:{self.hard}"


def ulimits(value: object) -> tuple[Ulimit, ...]:
    """Read the option ``ulimits``.

    Raises:
        InvalidValueError: it is not a dict or list of limits, a name is unknown or given twice, or a soft limit is above its hard one.
    """
    if isinstance(value, Mapping):
        return tuple(_ulimit(name, limits) for name, limits in value.items())
    found = tuple(each(value, _item, _ACCEPTS))
    refuse_repeated((item.name for item in found), _ITEM, "it is given twice")
    return found


def _item(value: object) -> Ulimit:
    if isinstance(value, Ulimit):
        return _ulimit(value.name, [value.soft, value.hard])
    name, equals, limits = text(value, _ITEM).partition("=")
    if not equals:
        raise InvalidValueError(value, _ITEM)
    return _ulimit(name, limits.split(":"))


def _ulimit(name: object, limits: object) -> Ulimit:
    if name not in _NAMES:
        raise InvalidValueError(
            name,
            ", ".join(_NAMES),
            problem=f"there is no such limit{did_you_mean(str(name), _NAMES)}",
        )
    given: list[Any] = list(limits) if isinstance(limits, (list, tuple)) else [limits]
    if not 1 <= len(given) <= 2:
        raise InvalidValueError(limits, _ACCEPTS)
    try:
        numbers = [_limit(item) for item in given]
    except InvalidValueError as error:
        raise error.within(f".{name}") from None
    soft, hard = numbers[0], numbers[-1]
    if hard != UNLIMITED and (soft == UNLIMITED or soft > hard):
        raise InvalidValueError(
            limits, _ACCEPTS, problem="the soft limit is above the hard one", path=(f".{name}",)
        )
    return Ulimit(str(name), soft, hard)


def _limit(value: object) -> int:
    if value == "unlimited":
        return UNLIMITED
    if isinstance(value, str):
        try:
            value = int(text(value, _LIMIT))
        except ValueError:
            raise InvalidValueError(value, _LIMIT) from None
    return integer(value, UNLIMITED, _MOST, _LIMIT)
