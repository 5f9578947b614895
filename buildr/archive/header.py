"""The headers of a tar stream: ustar blocks, and PAX records for values that do not fit in one.

POSIX.1-2001, "pax": https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "BLOCK",
    "DIRECTORY",
    "FILE",
    "HARDLINK",
    "LAST_TIME",
    "MTIME",
    "SYMLINK",
    "content_time",
    "header",
    "header_size",
    "padding",
    "sparse_header",
]

BLOCK: Final = 512

FILE: Final = b"0"
HARDLINK: Final = b"1"
SYMLINK: Final = b"2"
DIRECTORY: Final = b"5"
_EXTENDED: Final = b"x"

MTIME: Final = 315_619_200
"""1980-01-02T00:00:00Z, in seconds since the epoch: the time of folders, links and empty files in an archive.

It is not earlier, since a zip file (such as a wheel that is built in the image) cannot hold times before 1980 in any
time zone.
"""
_TIMES: Final = 1 << 29  # two seconds apart, as zip files count
LAST_TIME: Final = MTIME + 2 * _TIMES
"""In January 2014: all times that are made of contents are earlier."""

_MOST_NAME: Final = 100
_MOST_SIZE: Final = 0o77777777777
_ZEROS: Final = bytes(BLOCK)

_GROUP: Final = b"0000000\0"
_BLANK_SUM: Final = b" " * 8  # the checksum counts its own field as blanks
# magic, version, user, group, device numbers, prefix: all that is the same everywhere, up to the block's end
_TAIL: Final = (b"ustar\x0000" + bytes(64) + b"0000000\0" * 2).ljust(BLOCK - 257, b"\0")
_CONSTANT_SUM: Final = sum(_GROUP) + sum(_BLANK_SUM) + sum(_TAIL)


def content_time(digest: bytes) -> int:
    """Return the time of a file with this content, in seconds since the epoch.

    The same content has the same time on every host, so the same files give the same layer. Different contents have
    different times (except one pair in 2**29), so a cache keyed by time and size, such as Python's bytecode, notices an
    edit. All times are after 1980, as zip files need, and in the past.

    Args:
        digest: the digest of the content; empty for an empty file.
    """
    return MTIME + 2 * (int.from_bytes(digest[:4], "big") % _TIMES)


def header(  # noqa: PLR0913 - the fields of a header; a record of them costs time in each of 10 000 files
    name: bytes,
    kind: bytes,
    *,
    mode: int,
    size: int = 0,
    link: bytes = b"",
    owner: int = 0,
    time: int = MTIME,
) -> bytes:
    """Return the header of one member, preceded by an extended one if necessary.

    Args:
        name: the name in the archive; that of a folder ends with ``/``.
        kind: one of the constants of this module.
        mode: permission bits, 0 to 0o7777.
        size: the number of bytes that follow, without padding.
        link: target of a link.
        owner: uid, 0 to 0o7777777; the group is 0.
        time: of the last change, in seconds since the epoch.

    Returns:
        A multiple of 512 bytes.
    """
    extended = _what_extends(name, size, link)
    field = 0 if b"size" in extended else size
    plain = _ustar(name[:_MOST_NAME], kind, mode, field, link[:_MOST_NAME], owner, time)
    return _extended(extended) + plain if extended else plain


def sparse_header(
    name: bytes,
    records: dict[bytes, bytes],
    *,
    mode: int,
    size: int,
    owner: int = 0,
    time: int = MTIME,
) -> bytes:
    """Return the header of a sparse file, whose own name and size are among its PAX records.

    Args:
        name: for readers that do not support sparse files.
        records: the PAX records.
        mode: permission bits, 0 to 0o7777.
        size: bytes that follow, without padding.
        owner: uid, 0 to 0o7777777; the group is 0.
        time: of the last change, in seconds since the epoch.

    Returns:
        A multiple of 512 bytes.
    """
    extended = {**records, **_what_extends(name, size, b"")}
    field = 0 if b"size" in extended else size
    return _extended(extended) + _ustar(name, FILE, mode, field, b"", owner, time)


def header_size(name: bytes, *, size: int = 0, link: bytes = b"") -> int:
    """Return the length of what `header` returns."""
    extended = _what_extends(name, size, link)
    return BLOCK + (len(_extended(extended)) if extended else 0)


def padding(size: int) -> bytes:
    """Return the zeros that fill ``size`` bytes up to a whole block."""
    return _ZEROS[: -size % BLOCK]


def _what_extends(name: bytes, size: int, link: bytes) -> dict[bytes, bytes]:
    """Return the PAX records that a header needs beside its block, usually none."""
    extended: dict[bytes, bytes] = {}
    if len(name) > _MOST_NAME or not name.isascii():
        extended[b"path"] = name
    if len(link) > _MOST_NAME or not link.isascii():
        extended[b"linkpath"] = link
    if size > _MOST_SIZE:
        extended[b"size"] = b"%d" % size
    return extended


def _extended(records: dict[bytes, bytes]) -> bytes:
    # Values are UTF-8 unless this record, which has to precede them, says otherwise.
    head = b"" if all(map(_is_utf8, records.values())) else _record(b"hdrcharset", b"BINARY")
    data = head + b"".join(_record(key, value) for key, value in records.items())
    plain = _ustar(b"././@PaxHeader", _EXTENDED, 0o644, len(data), b"")
    return plain + data + padding(len(data))


def _record(key: bytes, value: bytes) -> bytes:
    r"""Write ``<length> <key>=<value>\n``, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ustar(  # noqa: PLR0913, PLR0917 - as for `header`
    name: bytes,
    kind: bytes,
    mode: int,
    size: int,
    link: bytes,
    owner: int = 0,
    time: int = MTIME,
) -> bytes:
    mode_field = b"%07o\0" % mode
    owner_field = b"%07o\0" % owner
    size_field = b"%011o\0" % size
    time_field = b"%011o\0" % time
    total = (
        _CONSTANT_SUM
        + sum(name)
        + sum(mode_field)
        + sum(owner_field)
        + sum(size_field)
        + sum(time_field)
        + kind[0]
        + (sum(link) if link else 0)
    )
    return b"".join(
        (
            name.ljust(100, b"\0"),
            mode_field,
            owner_field,
            _GROUP,
            size_field,
            time_field,
            b"%06o\0 " % total,
            kind,
            link.ljust(100, b"\0"),
            _TAIL,
        )
    )
