"""Protocol Buffers, as far as BuildKit's few messages need them: numbers and bytes, by their field numbers.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT = 10  # bytes


def encode(fields: Mapping[int, int | str | bytes]) -> bytes:
    """Write a message; a field with its type's zero value is left out, as proto3 has it.

    Args:
        fields: values by field number; a message within is its bytes, and numbers are 0 or more.
    """
    parts: list[bytes] = []
    for number, value in fields.items():
        if isinstance(value, int):
            if value:
                parts += (_varint(number << 3 | _VARINT), _varint(value))
        elif value:
            data = value.encode(errors="surrogateescape") if isinstance(value, str) else value
            parts += (_varint(number << 3 | _BYTES), _varint(len(data)), data)
    return b"".join(parts)


def decode(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield a message's fields in their order, each with its number.

    Raises:
        ValueError: it is not a message.
    """
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _read_varint(message, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _read_varint(message, at)
        elif kind in _FIXED_SIZES:
            size = _FIXED_SIZES[kind]
        else:
            raise ValueError(f"a field of kind {kind}")
        if at + size > len(message):
            raise ValueError("a message that ends inside a field")
        yield number, message[at : at + size]
        at += size


def numbers(message: bytes) -> dict[int, int]:
    """Return the last value of each numeric field.

    Raises:
        ValueError: it is not a message.
    """
    return {number: value for number, value in decode(message) if isinstance(value, int)}


def texts(message: bytes) -> dict[int, str]:
    """Return the last value of each field of bytes, as text.

    Raises:
        ValueError: it is not a message.
    """
    return {
        number: value.decode(errors="replace")
        for number, value in decode(message)
        if isinstance(value, bytes)
    }


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(message[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, at + index + 1
    raise ValueError("a number without an end")
