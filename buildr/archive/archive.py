"""A scanned directory with generated files beside it, sent as a tar stream or file by file."""

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
    """The content of a build from the user's own Containerfile. Iterating yields the tar stream."""

    tree: Tree
    members: tuple[Member, ...] = ()
    """Generated files at the top, which precede those of the directory."""
    lookout: Lookout | None = None
    """Searches all files for secrets."""
    on_sent: Callable[[int], None]
    """Called with the size of each piece that is sent, in bytes."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the tar stream; see `buildr.archive.tar.pack`."""
        for chunk in pack([*self.members, self.tree], lookout=self.lookout):
            yield chunk
            self.on_sent(len(chunk))


def ahead(members: Iterable[Member], archive: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a tar stream with generated files before its own members."""
    stream = ArchiveStream(CHUNK_BYTES, owner=0)
    for member in members:
        yield from stream.member(member)
    yield stream.take()
    yield from archive
