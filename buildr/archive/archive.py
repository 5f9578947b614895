"""A scanned directory with made-up files beside it: sent as a tar stream, or file by file where an engine asks for files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.archive.stream import CHUNK_BYTES, ArchiveStream
from buildr.archive.tar import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from buildr.archive.parts import Member, Tree
    from buildr.context.lookout import Lookout


class Archive(Struct, frozen=True, kw_only=True):
    """What is sent to a build from the user's own Containerfile. Iterating gives the tar stream."""

    tree: Tree
    members: tuple[Member, ...] = ()
    """Files at the top that are not of the directory, and come before it."""
    lookout: Lookout | None = None
    """Looks into all files."""
    on_sent: Callable[[int], None]
    """Called with the size of each piece that is sent, in bytes."""

    def __iter__(self) -> Iterator[bytes]:
        """Give the tar stream; see `buildr.archive.tar.pack`."""
        for chunk in pack([*self.members, self.tree], lookout=self.lookout):
            yield chunk
            self.on_sent(len(chunk))


def ahead(members: Iterable[Member], archive: Iterable[bytes]) -> Iterator[bytes]:
    """Give a tar stream with made-up files before its own."""
    stream = ArchiveStream(CHUNK_BYTES, owner=0)
    for member in members:
        yield from stream.member(member)
    yield stream.take()
    yield from archive
