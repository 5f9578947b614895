"""Directories in memory: ``"/cache"``, ``"/cache:size=64m"``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from buildr.options.errors import Accepts, InvalidValueError
from buildr.options.reading import record
from buildr.options.size import parse_bytes
from buildr.options.values import container_path, each, refuse_repeated, text

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Tmpfs", "tmpfs"]

_ACCEPTS = Accepts('"/target", "/target:size=64m"', 'a dict {"target": …, "size": …}')
_LIST = f"a list of directories in memory; each {_ACCEPTS}"
_TARGET = "an absolute path inside the container, not '/' and without '..'"
_SIZE = 'a size of at least 1 byte, such as "64m"'


class Tmpfs(Struct, frozen=True):
    """A directory in memory, which is removed with the container; no program can be started from it.

    Attributes:
        target: where it is, an absolute path inside the container.
        size: how much it can hold, in bytes; ``None``: the kernel's default, half of the memory.
    """

    target: str
    size: int | None = None


def tmpfs(value: object) -> tuple[Tmpfs, ...]:
    """Read the option ``tmpfs``.

    Raises:
        InvalidValueError: it is not a list of directories, or one is given twice.
    """
    found = tuple(each(value, _tmpfs, _LIST))
    refuse_repeated((item.target for item in found), _TARGET, "it is given twice")
    return found


def _tmpfs(value: object) -> Tmpfs:
    if isinstance(value, str):
        target, colon, option = text(value, _ACCEPTS).partition(":")
        name, _, size = option.partition("=")
        if colon and (name != "size" or not size):
            raise InvalidValueError(
                value, _ACCEPTS, problem="the target can be followed by size=… only"
            )
        value = {"target": target, "size": size or None}
    return Tmpfs(**record(value, Tmpfs, _READERS, required=("target",), accepts=_ACCEPTS))


def _size(value: object) -> int:
    try:
        size = parse_bytes(value)  # type: ignore[arg-type] # it refuses every other type itself
    except InvalidValueError as error:
        raise InvalidValueError(value, _SIZE, problem=error.problem) from None
    if not size:
        raise InvalidValueError(value, _SIZE)
    return size


_READERS: dict[str, Callable[[Any], Any]] = {
    "target": lambda value: container_path(value, _TARGET),
    "size": _size,
}
