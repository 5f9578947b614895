"""The files of an archive one by one, for an engine that requests only missing ones."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from buildr.archive.header import MTIME, content_time
from buildr.context.digest import RunningDigest, content_digest
from buildr.context.entries import normal_mode
from buildr.context.reading import TreeReader, changed, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildr.archive.archive import Archive
    from buildr.context.entries import Entry

_CHUNK_BYTES = 32 << 10


class ArchiveFile(Struct, frozen=True, kw_only=True):
    """One entry of an archive."""

    path: str
    kind: Literal["file", "dir", "symlink"]
    mode: int
    """Permission bits."""
    size: int = 0
    """The size of a file, in bytes."""
    time: int = MTIME
    """The time of the last change, in seconds since the epoch."""
    link: str = ""
    """The target of a symbolic link; for a hard link, the path of the file's first name."""
    read: Callable[[], Iterator[bytes]] = lambda: iter(())
    """Yields the content of a file; raises `ContextError` if the file has changed since the scan."""


class ArchiveFiles:
    """The files of an archive, as long as its directory is open.

    Args:
        archive: an archive whose tree has no prefix and keeps the modes of its files.

    Raises:
        ContextError: the directory cannot be opened.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._reader = TreeReader(archive.tree.root)

    def close(self) -> None:
        """Close the directory."""
        self._reader.close()

    def member(self, path: str) -> list[ArchiveFile]:
        """Return the generated file at a top-level path, or ``None``."""
        return [
            ArchiveFile(
                path=member.path,
                kind="file",
                mode=member.mode,
                size=len(member.data),
                time=content_time(content_digest(member.data) if member.data else b""),
                read=partial(_cut, member.data),
            )
            for member in self._archive.members
            if member.path == path
        ]

    def tree(self) -> list[ArchiveFile]:
        """Yield the files of the directory, depth first, sorted by the bytes of their names."""
        entries = sorted(
            self._archive.tree.entries,
            key=lambda entry: os.fsencode(entry.path).replace(b"/", b"\0"),
        )
        contents = {entry.path: entry for entry in entries if entry.kind == "file"}
        first: dict[str, str] = {}  # the first name of a hard link in this order
        files = []
        for entry in entries:
            if entry.kind == "dir":
                mode = normal_mode(entry.mode, "dir")
                files.append(ArchiveFile(path=entry.path, kind="dir", mode=mode))
            elif entry.kind == "symlink":
                mode = normal_mode(entry.mode, "symlink")
                link = entry.target
                files.append(ArchiveFile(path=entry.path, kind="symlink", mode=mode, link=link))
            else:
                content = contents[entry.target or entry.path]
                link = first.setdefault(content.path, entry.path)
                files.append(self._file(entry.path, content, "" if link == entry.path else link))
        return files

    def _file(self, path: str, content: Entry, link: str) -> ArchiveFile:
        digest = self._archive.tree.contents.get(content.path, b"")
        held = self._archive.tree.pinned.get(content.path)
        return ArchiveFile(
            path=path,
            kind="file",
            mode=normal_mode(content.mode, "file"),
            size=content.size,
            time=content_time(digest),
            link=link,
            read=partial(self._read, content, digest)
            if held is None
            else partial(self._give, content.path, held),
        )

    def _give(self, path: str, data: bytes) -> Iterator[bytes]:
        if self._archive.lookout is not None:
            self._archive.lookout.look(path, data)
        for piece in _cut(data):
            yield piece
            self._archive.on_sent(len(piece))

    def _read(self, entry: Entry, content: bytes) -> Iterator[bytes]:
        if not entry.size:
            return
        lookout = self._archive.lookout
        digest = RunningDigest(entry.size)
        file, _ = self._reader.open(entry)
        try:
            offset, before = 0, b""
            while offset < entry.size:
                try:
                    data = os.pread(file, min(_CHUNK_BYTES, entry.size - offset), offset)
                except OSError as error:
                    raise unreadable(entry.path, error.strerror or str(error)) from error
                if not data:
                    raise changed(entry.path)
                if lookout is not None:
                    before = lookout.look(entry.path, data, before)
                digest.update(offset, data)
                offset += len(data)
                yield data
                self._archive.on_sent(len(data))
        finally:
            os.close(file)
        if content and digest.finish() != content:
            raise changed(entry.path)


def _cut(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _CHUNK_BYTES):
        yield data[start : start + _CHUNK_BYTES]
