"""The fields of a tar archive's headers, as they are read: nothing of them is trusted.

POSIX.1-2001, "pax": https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_RECORD: Final = re.compile(rb"(\d{1,9}) ")
_MOST_SIZE: Final = 1 << 62
_ATTRIBUTE: Final = b"SCHILY.xattr."


class ArchiveError(ValueError):
    """The data is not a plain tar archive, or ends early."""


def path(block: bytes) -> bytes:
    """Read the path of a member from its header."""
    name, prefix = field(block[:100]), field(block[345:500])
    # GNU's own format has other things in the place of the prefix.
    return b"/".join((prefix, name)) if prefix and block[257:263] == b"ustar\0" else name


def field(data: bytes) -> bytes:
    """Read a field that ends with a NUL, or where its place ends."""
    return data.partition(b"\0")[0]


def text(data: bytes) -> str:
    """Read a name; bytes that are not UTF-8 become surrogates."""
    return data.decode("utf-8", "surrogateescape")


def owner(field: bytes, record: bytes | None) -> int:
    """Read a user's or a group's id.

    Args:
        field: of the header.
        record: of an extended header, which counts if there is one.
    """
    return int(record) if record and re.fullmatch(rb"\d{1,10}", record) else number_or_0(field)


def attributes(records: dict[bytes, bytes]) -> dict[str, bytes]:
    """Read the extended attributes from the records of an extended header."""
    return {
        text(key.removeprefix(_ATTRIBUTE)): value
        for key, value in records.items()
        if key.startswith(_ATTRIBUTE)
    }


def mtime_ns(block: bytes, records: dict[bytes, bytes]) -> int:
    """Read a time, in nanoseconds since the epoch; 0 if it is malformed."""
    exact = re.fullmatch(rb"(\d{1,10})(?:\.(\d{1,9})\d*)?", records.get(b"mtime", b""))
    if exact is not None:
        return int(exact[1]) * 10**9 + int((exact[2] or b"").ljust(9, b"0"))
    return min(number_or_0(block[136:148]), 10**10) * 10**9


def number_or_0(field: bytes) -> int:
    """Read a number on which nothing else depends; 0 if it is malformed, such as a time before 1970."""
    try:
        return number(field)
    except ArchiveError:
        return 0


def number(field: bytes) -> int:
    """Read a number: in octal digits, or where these are too few, in GNU's base 256."""
    if field[0] == 0x80:
        found = int.from_bytes(field[1:], "big")
    else:
        digits = field.strip(b" \0") or b"0"
        if not re.fullmatch(rb"[0-7]{1,12}", digits):
            raise ArchiveError("a number is malformed")
        found = int(digits, 8)
    if found > _MOST_SIZE:
        raise ArchiveError("a size is too large")
    return found


def records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    r"""Yield the records of an extended header: ``<length> <key>=<value>\n`` each."""
    at = 0
    while at < len(data):
        match = _RECORD.match(data, at)
        end = at + int(match[1]) if match else 0
        if match is None or end > len(data) or data[end - 1 : end] != b"\n" or end <= match.end():
            raise ArchiveError("a record of an extended header is malformed")
        key, equals, value = data[match.end() : end - 1].partition(b"=")
        if not equals:
            raise ArchiveError("a record of an extended header has no value")
        yield key, value
        at = end
