"""The values that travel between the host and a guest in call mode: the same code on both sides.

A message is a line of JSON, which has the length of the data, and the data. Values are JSON; a value that JSON does not have makes the
first line say so (`buildr.guest.values`), and what is large lies behind the JSON, as it lies in memory. Only those that come back
unchanged may travel; others are refused, by their place in the value. With pickle, which the user opts in to, all may.
"""

from __future__ import annotations

import json

from buildr.errors import TransferError
from buildr.guest import scalars
from buildr.guest.scalars import is_text, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

    Bytes = Union[bytes, bytearray, memoryview]

__all__ = ["decode", "encode", "head_line", "message", "parse", "type_name", "within"]

DEPTH = 200
"""How deep values may be nested; JSON's readers follow them by recursion."""


def encode(
    value: object,
    name: str,
    limit: int,
    *,
    pickled: bool = False,
    function: object = None,
    names: Sequence[str] = (),
) -> Tuple[Dict[str, Any], List[Bytes]]:
    """Return what the first line of a value's message says of it, and its bytes in parts.

    Args:
        value: the value.
        name: what it is called in errors: ``result``.
        limit: how many bytes it may have.
        pickled: whether pickle takes it, in place of JSON.
        function: whose annotations name the classes that may travel.
        names: of arguments what errors call those without a name; the value is a list of these, and a table of the others.

    Raises:
        TransferError: it would not arrive as it is, or it is too large.
    """
    if pickled:
        head, parts = _pickle(value, name)
    elif _is_plain(value):
        head, parts = {}, [_json(value)]
    else:
        head, parts = _pack(value, name, function, names)
    within(sum(map(len, parts)), name, limit)
    return head, parts


def decode(
    head: Mapping[str, Any],
    data: Bytes,
    *,
    function: object = None,
    read: Callable[[bytes], Any] = json.loads,
) -> Any:
    """Return a value that has not been pickled.

    Args:
        head: the first line of its message.
        data: its bytes.
        function: see `encode`.
        read: reads JSON.

    Raises:
        ValueError: it is not one; or a LookupError, a TypeError, a RecursionError.
        TransferError: it needs what is not here.
    """
    if "json" not in head:
        return read(bytes(data))
    from buildr.guest.values import Unpacker

    first, rest = divided(head, data)
    unpacker = Unpacker(rest, lambda: _classes_of(function))
    value = unpacker.unpack(read(bytes(first)))
    unpacker.finish()
    return value


def divided(head: Mapping[str, Any], data: Bytes) -> Tuple[memoryview, memoryview]:
    """Return the bytes of the JSON or the pickle, and those beside it.

    Raises:
        ValueError: there are fewer.
    """
    view, size = memoryview(data), head.get("json", len(data))
    if type(size) is not int or not 0 <= size <= len(view):
        raise ValueError("not that many bytes")
    return view[:size], view[size:]


def buffers(head: Mapping[str, Any], beside: memoryview) -> List[memoryview]:
    """Yield the bytes beside a pickle."""
    found = []
    for size in head.get("buffers", ()):
        found.append(beside[:size])
        beside = beside[size:]
    return found


def within(size: int, name: str, limit: int) -> None:
    """Check the number of bytes of a value.

    Raises:
        TransferError: they are too many.
    """
    if size > limit:
        raise TransferError(
            "%s has %d bytes, and %d may travel" % (name, size, limit),
            hint='Raise call_limit in runtime, such as call_limit="64m", or hand over a file in a mount.',
        )


def message(head: Mapping[str, object], *parts: Bytes) -> bytes:
    """Return a message.

    Args:
        head: what its first line tells.
        parts: what follows.
    """
    return b"".join([head_line(head, sum(map(len, parts))), *parts])


def head_line(head: Mapping[str, object], length: int) -> bytes:
    """Return the first line of a message.

    Args:
        head: what it tells.
        length: of the data that follow, in bytes.
    """
    return json.dumps(dict(head, length=length)).encode() + b"\n"


def parse(data: Union[bytes, bytearray]) -> Optional[Tuple[Dict[str, Any], Any]]:
    """Take a message apart; ``None`` where it is not complete. The rest of what may be large is not copied."""
    end = data.find(b"\n")
    if end < 0:
        return None
    rest = data[end + 1 :] if type(data) is bytes else memoryview(data)[end + 1 :]
    try:
        head = json.loads(data[:end])
        complete = head["length"] == len(rest)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return (head, rest) if complete else None


def _pack(
    value: Any, name: str, function: object, names: Sequence[str]
) -> Tuple[Dict[str, Any], List[Bytes]]:
    from buildr.guest.values import Packer

    packer = Packer(lambda: _classes_of(function))
    if names:
        args, kwargs = value
        packed: Any = [
            [packer.pack(*pair) for pair in zip(args, names)],  # noqa: B905 - `strict` came with 3.10
            {key: packer.pack(item, key) for key, item in kwargs.items()},
        ]
    else:
        packed = packer.pack(value, name)
    data = _json(packed)
    return {"json": len(data)}, [data, *packer.parts]


def _pickle(value: object, name: str) -> Tuple[Dict[str, Any], List[Bytes]]:
    import pickle

    beside: List[memoryview] = []
    try:
        data = pickle.dumps(
            value, protocol=5, buffer_callback=lambda buffer: beside.append(buffer.raw())
        )
    except Exception as error:  # noqa: BLE001 - whatever the methods of the value's classes raise
        kind = type_name(type(error))
        raise TransferError("%s cannot be pickled: %s: %s" % (name, kind, error)) from None
    return {"json": len(data), "buffers": list(map(len, beside))}, [data, *beside]


def _classes_of(function: object) -> Dict[str, type]:
    from buildr.guest.annotations import classes_of

    return {} if function is None else classes_of(function)


def _json(value: object) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()


def _is_plain(value: Any, depth: int = 0) -> bool:
    """Whether a value survives JSON unchanged."""
    # Exactly these classes: what derives from them would arrive as one of them.
    kind = type(value)
    if kind is list:
        return depth < DEPTH and all(
            _is_short(item) or _is_plain(item, depth + 1) for item in value
        )
    if kind is dict:
        return depth < DEPTH and all(
            type(key) is str and is_text(key) and (_is_short(item) or _is_plain(item, depth + 1))
            for key, item in value.items()
        )
    return not scalars.fault(value, kind)


def _is_short(item: object) -> bool:
    """Whether an item needs no closer look: most lists have many of these."""
    kind = type(item)
    if kind is int:
        return -1 << 63 < item < 1 << 63  # type: ignore[operator] # it is of this very class
    return kind is bool or (kind is str and item.isascii())  # type: ignore[attr-defined] # it is of this very class
