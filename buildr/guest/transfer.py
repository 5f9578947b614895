"""The values that travel between the host and a guest in call mode: the same code on both sides.

A message is a line of JSON, which has the length of the data, and the data. Values are JSON, and only those that come back
unchanged may travel; others are refused, by their place in the value. With pickle, which the user opts in to, all may.
"""

from __future__ import annotations

import json

from buildr.errors import TransferError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn, TypeVar

    Data = TypeVar("Data", bound="bytes | bytearray")

DEPTH = 200
"""How deep values may be nested; JSON's readers follow them by recursion."""

_DIGIT_BITS = 14000  # integers of more digits than 4300 are not read from text (CPython 3.11)
_HINT = (
    "Return and pass None, bool, int, float, str, and lists and dicts of these;"
    ' or set call_format="pickle" in runtime, and read in docs/call-mode.md why that is dangerous.'
)


def encode(value: object, name: str, limit: int, *, pickled: bool = False) -> bytes:
    """Return a value as bytes.

    Args:
        value: the value.
        name: what it is called in errors: ``result``.
        limit: how many bytes it may have.
        pickled: whether pickle takes it, in place of JSON.

    Raises:
        TransferError: it would not arrive as it is, or it is too large.
    """
    if pickled:
        data = _pickle(value, name)
    else:
        check(value, name)
        data = json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    return within(data, name, limit)


def within(data: Data, name: str, limit: int) -> Data:
    """Return the bytes of a value.

    Raises:
        TransferError: they are too many.
    """
    if len(data) > limit:
        raise TransferError(
            "%s has %d bytes, and %d may travel" % (name, len(data), limit),
            hint='Raise call_limit in runtime, such as call_limit="64m", or hand over a file in a mount.',
        )
    return data


def check(value: object, name: str, depth: int = 0, inside: tuple[int, ...] = ()) -> None:
    """Check that JSON gives a value back unchanged.

    Args:
        value: the value.
        name: its place, for errors.
        depth: how many lists and dicts it is in.
        inside: the ids of these.

    Raises:
        TransferError: it would not.
    """
    # Exactly these classes: what derives from them would arrive as one of them.
    kind = type(value)
    if kind is list or kind is dict:
        if id(value) in inside:
            _refuse(name, "holds itself")
        if depth >= DEPTH:
            _refuse(name[:60] + "...", "is nested deeper than %d" % DEPTH)
        _check_items(value, name, depth + 1, (*inside, id(value)))
    elif fault := _fault(value, kind):
        _refuse(name, fault)


def _fault(value: Any, kind: type) -> str:
    """Say why JSON does not give a value back; empty where it does."""
    if value is None or kind is bool:
        return ""
    if kind is str:
        return "" if _is_text(value) else "has half of a surrogate pair in it, so it is not text"
    if kind is int:
        fits = value.bit_length() <= _DIGIT_BITS
        return "" if fits else "is an integer of more than 4300 digits"
    if kind is float:  # the difference of NaN and of the infinities is NaN
        return "" if value - value == 0 else "is %r, which JSON does not have" % value
    if kind is tuple:
        return "is a tuple, which JSON turns into a list"
    return "is of the type %s, which JSON does not have" % type_name(kind)


def _check_items(value: Any, name: str, depth: int, inside: tuple[int, ...]) -> None:
    if type(value) is list:
        for index, item in enumerate(value):
            if not _is_plain(item):
                check(item, "%s[%d]" % (name, index), depth, inside)
        return
    for key, item in value.items():
        if type(key) is not str or not _is_text(key):
            _refuse(name, "has the key %s, and keys of JSON are text" % _shown(key))
        check(item, "%s[%s]" % (name, json.dumps(key)), depth, inside)


def type_name(kind: type) -> str:
    """Return a class's full name; a built-in one's without its module."""
    if kind.__module__ in ("builtins", "__main__", "__mp_main__"):
        return kind.__qualname__
    return "%s.%s" % (kind.__module__, kind.__qualname__)


def message(head: Mapping[str, object], data: bytes) -> bytes:
    """Return a message.

    Args:
        head: what its first line tells.
        data: what follows.
    """
    return head_line(head, len(data)) + data


def head_line(head: Mapping[str, object], length: int) -> bytes:
    """Return the first line of a message.

    Args:
        head: what it tells.
        length: of the data that follow, in bytes.
    """
    return json.dumps(dict(head, length=length)).encode() + b"\n"


def parse(data: bytes | bytearray) -> tuple[dict[str, Any], bytes | bytearray] | None:
    """Take a message apart; ``None`` where it is not complete."""
    line, end, rest = data.partition(b"\n")
    if not end:
        return None
    try:
        head = json.loads(line)
        complete = head["length"] == len(rest)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return (head, rest) if complete else None


def _pickle(value: object, name: str) -> bytes:
    import pickle

    try:
        return pickle.dumps(value, protocol=5)
    except Exception as error:  # noqa: BLE001 - whatever the methods of the value's classes raise
        kind = type_name(type(error))
        raise TransferError("%s cannot be pickled: %s: %s" % (name, kind, error)) from None


def _refuse(name: str, why: str) -> NoReturn:
    raise TransferError("%s cannot travel: it %s" % (name, why), hint=_HINT)


def _is_plain(item: object) -> bool:
    """Whether an item needs no closer look: most lists have many of these."""
    kind = type(item)
    if kind is int:
        return -1 << 63 < item < 1 << 63  # type: ignore[operator] # it is of this very class
    return kind is bool or (kind is str and item.isascii())  # type: ignore[attr-defined] # likewise


def _is_text(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(key: object) -> str:
    text = ascii(key)
    return text if len(text) <= 60 else text[:60] + "..."
