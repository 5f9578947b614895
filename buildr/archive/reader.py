"""Reads foreign tar archives as a stream, in bounded memory; only plain tar is accepted.

POSIX.1-2001 with its extended headers ("pax"), and GNU's long names. tarfile, in contrast, reads extended headers of
any length into memory, keeps every member, fills the holes of sparse files, and accepts compressed archives.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from buildr.archive import fields
from buildr.archive.fields import ArchiveError
from buildr.archive.header import BLOCK
from buildr.host.limits import EXTENDED_HEADER, EXTENDED_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["ArchiveError", "Found", "TarReader"]

_FILES: Final = (b"0", b"\0", b"7")
_LOCAL, _GLOBAL, _LONG_NAME, _LONG_LINK, _SPARSE = b"x", b"g", b"L", b"K", b"S"
_EXTENDED: Final = (_LOCAL, _GLOBAL, _LONG_NAME, _LONG_LINK)
_SUM: Final = slice(148, 156)
_ZEROS: Final = bytes(BLOCK)


class Found(Struct, frozen=True, kw_only=True):
    """One member of an archive."""

    path: str
    """The path without a leading ``./`` or ``/``; bytes that are not UTF-8 are surrogates."""
    kind: bytes
    """The type flag; ``0`` for every regular file."""
    size: int
    """Bytes that follow."""
    link: str = ""
    mode: int = 0
    """Permission bits, including set-uid, set-gid and sticky."""
    mtime_ns: int = 0
    """Nanoseconds since the epoch; 0 if unknown."""
    sparse: bool = False
    """Whether it is a sparse file, so that the following data is not its content."""
    uid: int = 0
    gid: int = 0
    device: tuple[int, int] = (0, 0)
    """Major and minor number."""
    attributes: Mapping[str, bytes] = {}
    """Extended attributes."""
    offset: int = 0
    """Bytes of the archive before the content."""

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file, whose content follows."""
        return self.kind == b"0" and not self.sparse


class TarReader:
    """An iterator over the members of an archive.

    Args:
        chunks: the bytes of the archive in arbitrary pieces.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = memoryview(b"")
        self._left = 0  # unread bytes of the member's content
        self._padding = 0
        self._at = 0  # bytes of the archive that have been read
        self._ended = False

    def __iter__(self) -> Iterator[Found]:
        """Yield the members.

        Raises:
            ArchiveError: the archive is invalid, or data follows its end.
        """
        while not self._ended:
            if (found := self._next()) is not None:
                yield found

    def content(self) -> Iterator[bytes]:
        """Yield the remaining content of the last yielded member.

        Raises:
            ArchiveError: the archive ends early.
        """
        while self._left:
            yield bytes(self._piece())

    def read(self, most: int) -> bytes | None:
        """Return the content of the last yielded member; ``None`` if it has more than ``most`` bytes."""
        return None if self._left > most else b"".join(self.content())

    def _next(self) -> Found | None:
        """Return the next member; ``None`` at the end."""
        records: dict[bytes, bytes] = {}
        for _ in range(EXTENDED_HEADERS + 1):
            self._skip()
            block = self._block()
            if block is None:
                self._ended = True
                return None
            kind, size = block[156:157], fields.number(block[124:136])
            if kind not in _EXTENDED:
                return self._member(block, kind, records)
            if size > EXTENDED_HEADER:
                raise ArchiveError("an extended header is too long")
            self._left, self._padding = size, -size % BLOCK
            data = b"".join(self.content())
            if kind == _LOCAL:
                records.update(fields.records(data))
            elif kind != _GLOBAL:  # global headers do not matter here
                records[b"path" if kind == _LONG_NAME else b"linkpath"] = data.rstrip(b"\0")
        raise ArchiveError("a member has too many extended headers")

    def _member(self, block: bytes, kind: bytes, records: dict[bytes, bytes]) -> Found:
        size = fields.number(block[124:136])
        if b"size" in records:
            if not re.fullmatch(rb"\d{1,18}", records[b"size"]):
                raise ArchiveError("a size is not a number")
            size = int(records[b"size"])
        self._left, self._padding = size, -size % BLOCK
        path = records.get(b"path", fields.path(block))
        return Found(
            path=fields.text(path).removeprefix("./").lstrip("/"),
            kind=b"0" if kind in _FILES else kind,
            size=size,
            mode=fields.number_or_0(block[100:108]) & 0o7777,
            mtime_ns=fields.mtime_ns(block, records),
            link=fields.text(records.get(b"linkpath", fields.field(block[157:257]))),
            sparse=kind == _SPARSE or any(key.startswith(b"GNU.sparse.") for key in records),
            uid=fields.owner(block[108:116], records.get(b"uid")),
            gid=fields.owner(block[116:124], records.get(b"gid")),
            device=(fields.number_or_0(block[329:337]), fields.number_or_0(block[337:345])),
            attributes=fields.attributes(records) if records else {},
            offset=self._at,
        )

    def _block(self) -> bytes | None:
        """Return the next header; ``None`` at the end of the archive, which only zeros may follow."""
        block = self._exactly(BLOCK)
        if not block:
            return None  # some writers omit the two blocks of zeros
        if block == _ZEROS:
            while piece := self._some(1 << 30):
                if any(piece):
                    raise ArchiveError("data follows the end")
            return None
        unsigned = sum(block) - sum(block[_SUM]) + 8 * ord(" ")
        if fields.number(block[_SUM]) != unsigned:
            raise ArchiveError("the checksum of a header is wrong")
        return block

    def _exactly(self, count: int) -> bytes:
        """Return exactly so many bytes, or none at the end."""
        parts = []
        missing = count
        while missing and (piece := self._some(missing)):
            parts.append(bytes(piece))
            missing -= len(piece)
        if parts and missing:
            raise ArchiveError("it broke off")
        return b"".join(parts)

    def _some(self, most: int) -> memoryview:
        """Return at most this many of the next bytes; none at the end."""
        while not self._held:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._held = memoryview(chunk)
        piece, self._held = self._held[:most], self._held[most:]
        self._at += len(piece)
        return piece

    def _piece(self) -> memoryview:
        piece = self._some(self._left)
        if not piece:
            raise ArchiveError("it broke off")
        self._left -= len(piece)
        return piece

    def _skip(self) -> None:
        """Go to the next header."""
        while self._left:
            self._piece()
        self._exactly(self._padding)
        self._padding = 0
