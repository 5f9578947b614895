"""Single values that travel: those that JSON has, and those of the standard library that it does not have.

A packed one has a kind and a content of plain JSON; see `buildr.guest.values`. Modules are imported where such a value is met.
"""

from __future__ import annotations

import importlib
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Optional

_DIGIT_BITS = 14000  # integers of more digits than 4300 are not read from text (CPython 3.11)
_MOST_TEXT = 1 << 16  # of a number, a date or a path
_PATHS = ("PosixPath", "PurePosixPath", "PureWindowsPath")


def fault(value: Any, kind: type) -> str:
    """Return why JSON would change a value; empty if it would not."""
    if value is None or kind is bool:
        return ""
    if kind is str:
        return "" if is_text(value) else "has half of a surrogate pair in it, so it is not text"
    if kind is int:
        fits = value.bit_length() <= _DIGIT_BITS
        return "" if fits else "is an integer of more than 4300 digits"
    if kind is float:  # the difference of NaN and of the infinities is NaN
        return "" if value - value == 0 else "is %r, which JSON does not have" % value
    if kind is tuple:
        return "is a tuple, which JSON turns into a list"
    return "is of the type %s, which cannot travel" % type_name(kind)


def is_text(value: str) -> bool:
    """Whether a string is text, without half of a surrogate pair."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def type_name(kind: type) -> str:
    """Return a class's full name; a built-in one's without its module."""
    if kind.__module__ in ("builtins", "__main__", "__mp_main__"):
        return kind.__qualname__
    return "%s.%s" % (kind.__module__, kind.__qualname__)


def pack(value: Any, kind: type) -> Optional[dict[str, Any]]:
    """Return a value of the standard library's as JSON has it; ``None`` for another one."""
    name, module = kind.__name__, kind.__module__
    if getattr(sys.modules.get(module), name, None) is not kind:
        return None
    if module == "datetime":
        return _packed(name, _pack_time(value, name))
    if module == "decimal" and name == "Decimal":
        return _packed(name, str(value))
    if module == "uuid" and name == "UUID":
        return _packed(name, value.hex)
    if module.partition(".")[0] == "pathlib" and name in _PATHS:
        text = str(value)
        return _packed(name, text if is_text(text) else None)
    return None


def _packed(kind: str, content: Any) -> Optional[dict[str, Any]]:
    return None if content is None else {"$": kind, "v": content}


def _pack_time(value: Any, name: str) -> Any:
    if name == "timedelta":
        return [value.days, value.seconds, value.microseconds]
    if name == "date":
        return value.isoformat()
    if name in ("datetime", "time"):
        zone = _pack_zone(value.tzinfo)
        return None if zone is None else [value.replace(tzinfo=None).isoformat(), value.fold, zone]
    if name == "timezone":
        return _pack_zone(value)
    return None


def _pack_zone(zone: Any) -> Any:
    """Return a time zone: empty where there is none; its name, or its seconds from UTC; ``None`` where it cannot travel."""
    from datetime import timezone

    if zone is None:
        return ""
    if type(zone) is timezone:
        offset = zone.utcoffset(None)
        if timezone(offset).tzname(None) != zone.tzname(None):
            return None  # it has a name of its own
        return [offset.days, offset.seconds, offset.microseconds]
    if type(zone).__module__.partition(".")[0] == "zoneinfo":
        key = getattr(zone, "key", None)
        return key if type(key) is str and key else None
    return None


def unpack(kind: Any, content: Any) -> Any:
    """Return a value that `pack` has packed.

    Raises:
        ValueError: it is none; or a TypeError, a LookupError.
    """
    if type(content) is str and len(content) > _MOST_TEXT:
        raise ValueError("too long")
    if kind == "Decimal":
        from decimal import Decimal

        try:
            return Decimal(text(content))
        except ArithmeticError:
            raise ValueError("not a number") from None
    if kind == "UUID":
        from uuid import UUID

        return UUID(hex=text(content))
    if kind in _PATHS:
        import pathlib

        return getattr(pathlib, kind)(text(content))
    return _unpack_time(kind, content)


def _unpack_time(kind: Any, content: Any) -> Any:
    import datetime as dt

    if kind == "timedelta":
        return _duration(content)
    if kind == "date":
        return dt.date.fromisoformat(text(content))
    if kind == "timezone":
        return _zone(content)
    if kind in ("datetime", "time"):
        moment, fold, zone = content
        found = getattr(dt, kind).fromisoformat(text(moment))
        if found.tzinfo is not None:
            raise ValueError("two zones")
        return found.replace(fold=fold, tzinfo=_zone(zone))
    raise ValueError("of an unknown kind")


def _duration(content: Any) -> Any:
    from datetime import timedelta

    days, seconds, microseconds = content
    if not all(type(part) is int for part in content):
        raise TypeError("not a number")
    try:
        return timedelta(days, seconds, microseconds)
    except OverflowError:
        raise ValueError("too long") from None


def _zone(content: Any) -> Any:
    from datetime import timezone

    if content == "":
        return None
    if type(content) is list:
        return timezone(_duration(content))
    zoneinfo: Any = importlib.import_module("zoneinfo")  # Python 3.8 has none
    try:
        return zoneinfo.ZoneInfo(text(content))
    except OSError as error:  # a folder of zones, for example
        raise ValueError("not a time zone") from error


def text(value: Any) -> str:
    """Return it if it is text.

    Raises:
        TypeError: it is not.
    """
    if type(value) is not str:
        raise TypeError("not a text")
    return value
