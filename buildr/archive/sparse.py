"""Sparse files in an archive, in GNU's PAX format 1.0, which Go's archive/tar, GNU tar and Python read.

https://www.gnu.org/software/tar/manual/html_node/PAX-1.html
"""

from __future__ import annotations

from typing import Final

from buildr.archive.header import padding
from buildr.context.sparse import Extent

SPARSE_NAME: Final = b"GNUSparseFile.0"
"""The name of all sparse files for readers that do not support them; other readers use the name in a record."""


def sparse_map(extents: list[Extent], size: int) -> bytes:
    """Return the list of extents that precedes the data; an empty one at the end marks the size."""
    if not extents or extents[-1].offset + extents[-1].length < size:
        extents = [*extents, Extent(size, 0)]
    numbers = [len(extents), *(number for extent in extents for number in extent)]
    data = b"".join(b"%d\n" % number for number in numbers)
    return data + padding(len(data))


def sparse_records(name: bytes, size: int) -> dict[bytes, bytes]:
    """Return the PAX records of a sparse file."""
    return {
        b"GNU.sparse.major": b"1",
        b"GNU.sparse.minor": b"0",
        b"GNU.sparse.name": name,
        b"GNU.sparse.realsize": b"%d" % size,
    }
