"""Writes the tar stream for a build: reproducible, in bounded memory, and without a temporary file.

Everything belongs to one uid and to gid 0, without names, and a file's time depends on its content
(`buildr.archive.header.content_time`). So the same files give the same stream on every host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.archive.header import BLOCK, FILE, MTIME, header_size, padding
from buildr.archive.parts import Copy, Member, Part, Tree
from buildr.archive.stream import CHUNK_BYTES, ArchiveStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from buildr.context.entries import Entry
    from buildr.context.lookout import Lookout
    from buildr.context.reading import TreeReader

__all__ = ["CHUNK_BYTES", "Copy", "Member", "Part", "Tree", "pack", "pack_tree", "tree_size"]


def pack(
    parts: Iterable[Part],
    *,
    owner: int = 0,
    chunk_bytes: int = CHUNK_BYTES,
    lookout: Lookout | None = None,
) -> Iterator[bytes]:
    """Yield the archive of ``parts``, in their order, as a stream.

    Parents of a prefix or a member are added with mode 0755 (the last folder of a prefix: 0775); otherwise each engine
    would create them in its own way. Files are read while the stream is consumed.

    Args:
        parts: what goes in.
        owner: the uid of all entries, with gid 0.
        chunk_bytes: the approximate size of a chunk.
        lookout: searches all files for secrets.

    Raises:
        ContextError: a file cannot be read, is no longer the one that was scanned, or contains what the lookout looks for.
        ValueError: a path in the archive is empty, absolute, not canonical, or has a NUL in it.
    """
    stream = ArchiveStream(chunk_bytes, owner, lookout=lookout)
    for part in parts:
        if isinstance(part, Tree):
            yield from stream.tree(part)
        elif isinstance(part, Member):
            yield from stream.member(part)
        else:
            yield from stream.copy(part)
    stream.put(bytes(2 * BLOCK))
    yield stream.take()


def pack_tree(
    tree: Tree,
    *,
    owner: int = 0,
    chunk_bytes: int = CHUNK_BYTES,
    lookout: Lookout | None = None,
) -> Iterator[bytes]:
    """Yield the archive of one tree as a stream of the length `tree_size`; holes of files are written as zeros.

    Args:
        tree: what goes in.
        owner: the uid of all entries, with gid 0.
        chunk_bytes: the approximate size of a chunk.
        lookout: searches all files for secrets.

    Raises:
        ContextError: a file cannot be read, is no longer the one that was scanned, or contains what the lookout looks for.
    """
    stream = ArchiveStream(chunk_bytes, owner, holes=False, lookout=lookout)
    yield from stream.tree(tree)
    stream.put(bytes(2 * BLOCK))
    yield stream.take()


def tree_size(tree: Tree) -> int:
    """Return how many bytes `pack_tree` yields, without opening any file."""
    stream = _Measure()
    for _ in stream.tree(replace(tree, pinned={})):  # entries have the sizes of pinned contents
        pass
    return stream.total + 2 * BLOCK


class _Measure(ArchiveStream):
    """Measures what would be written, without opening files.

    Attributes:
        total: the number of bytes so far.
    """

    def __init__(self) -> None:
        super().__init__(CHUNK_BYTES, 0, holes=False)
        self.total = 0

    def put_header(
        self,
        name: bytes,
        kind: bytes,  # noqa: ARG002 - does not affect the length
        *,
        mode: int,  # noqa: ARG002 - does not affect the length
        size: int = 0,
        link: bytes = b"",
        time: int = MTIME,  # noqa: ARG002 - does not affect the length
    ) -> None:
        self.total += header_size(name, size=size, link=link)

    def _small_file(
        self,
        reader: TreeReader,  # noqa: ARG002 - nothing is read
        entry: Entry,
        name: bytes,
        mode: int,
        content: bytes,  # noqa: ARG002 - nothing is read
    ) -> None:
        self.put_header(name, FILE, mode=mode, size=entry.size)
        self.total += entry.size + len(padding(entry.size))

    def _large_file(
        self, reader: TreeReader, entry: Entry, name: bytes, mode: int, content: bytes
    ) -> Iterator[bytes]:
        self._small_file(reader, entry, name, mode, content)
        return iter(())
