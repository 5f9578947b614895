"""An archive being written: headers and contents, returned in chunks.

Longer than 250 lines: all parts share the buffer of one stream.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

import msgspec

from buildr.archive.header import (
    DIRECTORY,
    FILE,
    HARDLINK,
    MTIME,
    SYMLINK,
    content_time,
    header,
    padding,
    sparse_header,
)
from buildr.archive.sparse import SPARSE_NAME, sparse_map, sparse_records
from buildr.context.digest import RunningDigest, content_digest, small_digest
from buildr.context.entries import normal_mode
from buildr.context.reading import TreeReader, changed, unreadable
from buildr.context.sparse import Extent, data_extents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.archive.parts import Copy, Member, Tree
    from buildr.context.entries import Entry
    from buildr.context.lookout import Lookout

CHUNK_BYTES: Final = 256 * 1024
"""The size of a stream's chunks; a small file and its header may make one larger by a quarter."""
# A smaller saving is not worth the longer header. Smaller files are read in one piece.
_HOLES_BYTES: Final = 64 * 1024
_FOLDER_MODE: Final = 0o755
_TREE_MODE: Final = 0o775


class _Opened(msgspec.Struct, frozen=True, kw_only=True):
    """An open regular file."""

    file: int
    path: str
    """For errors."""
    status: os.stat_result
    size: int
    """How many of its bytes are sent."""


class ArchiveStream:
    """Collects what is written until it is taken."""

    def __init__(
        self, chunk_bytes: int, owner: int, *, holes: bool = True, lookout: Lookout | None = None
    ) -> None:
        self._lookout = lookout
        self._chunk = chunk_bytes
        self._owner = owner
        self._holes = holes  # whether holes of sparse files are left out
        self._held: list[bytes] = []
        self._size = 0
        self._folders = {""}

    def put(self, data: bytes) -> None:
        """Write bytes."""
        self._held.append(data)
        self._size += len(data)

    def put_header(
        self,
        name: bytes,
        kind: bytes,
        *,
        mode: int,
        size: int = 0,
        link: bytes = b"",
        time: int = MTIME,
    ) -> None:
        """Write the header of a member: see `buildr.archive.header.header`."""
        self.put(header(name, kind, mode=mode, size=size, link=link, owner=self._owner, time=time))

    def take(self) -> bytes:
        """Return what has been written since the last call."""
        data = b"".join(self._held)
        self._held.clear()
        self._size = 0
        return data

    def tree(self, part: Tree) -> Iterator[bytes]:
        """Write a directory; yield chunks."""
        prefix = part.prefix.rstrip("/")
        if prefix:
            self._parents(prefix)
            self._folder(prefix, _TREE_MODE)
            prefix += "/"
        with TreeReader(part.root) as reader:
            for entry in part.entries:
                path = prefix + entry.path
                mode = _mode(part.mode, entry)
                if entry.kind == "file":
                    name = os.fsencode(path)
                    content = part.contents.get(entry.path, b"")
                    if (held := part.pinned.get(entry.path)) is not None:
                        self._look(entry.path, held)
                        yield from self._held_file(name, mode, held)
                    elif entry.size < _HOLES_BYTES:
                        self._small_file(reader, entry, name, mode, content)
                    else:
                        yield from self._large_file(reader, entry, name, mode, content)
                elif entry.kind == "dir":
                    self._folder(path, mode)
                else:
                    hard = entry.kind == "hardlink"
                    target = os.fsencode(prefix + entry.target if hard else entry.target)
                    kind = HARDLINK if hard else SYMLINK
                    # Engines apply the time of a hard link to its target.
                    time = content_time(part.contents.get(entry.target, b"")) if hard else MTIME
                    self.put_header(os.fsencode(path), kind, mode=mode, link=target, time=time)
                if self._size >= self._chunk:
                    yield self.take()

    def member(self, part: Member) -> Iterator[bytes]:
        """Write a generated file; yield chunks."""
        self._look(part.path, part.data)
        self._parents(_checked(part.path))
        yield from self._held_file(os.fsencode(part.path), part.mode, part.data)

    def copy(self, part: Copy) -> Iterator[bytes]:
        """Write one regular file; yield chunks."""
        self._parents(_checked(part.path))
        source = os.fspath(part.source)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            file = os.open(source, flags)
        except OSError as error:
            raise unreadable(source, error.strerror or str(error)) from error
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise unreadable(source, "it is not a regular file")
            mode = normal_mode(status.st_mode, "file") if part.mode is None else part.mode
            name = os.fsencode(part.path)
            size = status.st_size if part.size is None else part.size
            if status.st_size < size:
                raise changed(source)
            found = _Opened(file=file, path=source, status=status, size=size)
            yield from self._content(found, name, mode, part.content)
        finally:
            os.close(file)

    def _look(self, path: str, data: bytes) -> None:
        if self._lookout is not None:
            self._lookout.look(path, data)

    def _held_file(self, name: bytes, mode: int, data: bytes) -> Iterator[bytes]:
        size = len(data)
        time = content_time(content_digest(data) if size else b"")
        self.put_header(name, FILE, mode=mode, size=size, time=time)
        rest = memoryview(data)
        while rest:
            if self._size >= self._chunk:
                yield self.take()
            room = self._chunk - self._size
            self.put(bytes(rest[:room]))
            rest = rest[room:]
        self.put(padding(size))

    def _small_file(
        self, reader: TreeReader, entry: Entry, name: bytes, mode: int, content: bytes
    ) -> None:
        size = entry.size
        data = reader.read(entry) if size else b""
        found = small_digest(data) if size else b""
        if content and found != content:
            raise changed(entry.path)
        self.put_header(name, FILE, mode=mode, size=size, time=content_time(found))
        if size:
            self._look(entry.path, data)
            self.put(data)
            self.put(padding(size))

    def _large_file(
        self, reader: TreeReader, entry: Entry, name: bytes, mode: int, content: bytes
    ) -> Iterator[bytes]:
        file, status = reader.open(entry)
        try:
            found = _Opened(file=file, path=entry.path, status=status, size=entry.size)
            yield from self._content(found, name, mode, content)
        finally:
            os.close(file)

    def _content(self, found: _Opened, name: bytes, mode: int, content: bytes) -> Iterator[bytes]:
        file, path, size, status = found.file, found.path, found.size, found.status
        digest = RunningDigest(size) if content else None
        extents = data_extents(file, size, status) if self._holes else [Extent(0, size)]
        stored = sum(extent.length for extent in extents)
        time = content_time(content)
        if size - stored >= _HOLES_BYTES:
            table = sparse_map(extents, size)
            stored += len(table)
            records = sparse_records(name, size)
            self.put(
                sparse_header(
                    SPARSE_NAME, records, mode=mode, size=stored, owner=self._owner, time=time
                )
            )
            self.put(table)
        else:
            extents = [Extent(0, size)]
            stored = size
            self.put_header(name, FILE, mode=mode, size=size, time=time)
        for extent in extents:
            yield from self._extent(file, path, extent, digest)
        self.put(padding(stored))
        if digest is not None:
            is_other = digest.finish() != content
        else:
            is_other = size > self._chunk and _was_rewritten(status, os.fstat(file))
        if is_other:
            raise changed(path)

    def _extent(
        self, file: int, path: str, extent: Extent, digest: RunningDigest | None
    ) -> Iterator[bytes]:
        offset, left = extent
        before = b""
        while left:
            if self._size >= self._chunk:
                yield self.take()
            try:
                data = os.pread(file, min(left, self._chunk - self._size), offset)
            except OSError as error:
                raise unreadable(path, error.strerror or str(error)) from error
            if not data:
                raise changed(path)
            if self._lookout is not None:
                before = self._lookout.look(path, data, before)
            self.put(data)
            if digest is not None:
                digest.update(offset, data)
            offset += len(data)
            left -= len(data)

    def _parents(self, path: str) -> None:
        at = path.find("/")
        while at >= 0:
            if path[:at] not in self._folders:
                self._folder(path[:at], _FOLDER_MODE)
            at = path.find("/", at + 1)

    def _folder(self, path: str, mode: int) -> None:
        self._folders.add(path)
        self.put_header(os.fsencode(path) + b"/", DIRECTORY, mode=mode)


def _mode(forced: int | None, entry: Entry) -> int:
    if forced is None or entry.kind == "symlink":
        return normal_mode(entry.mode, entry.kind)
    return forced | (forced & 0o444) >> 2 if entry.kind == "dir" else forced


def _was_rewritten(before: os.stat_result, after: os.stat_result) -> bool:
    return after.st_mtime_ns != before.st_mtime_ns and after.st_size <= before.st_size


def _checked(path: str) -> str:
    if "\0" in path or any(part in {"", ".", ".."} for part in path.split("/")):
        raise ValueError(f"{path!r} cannot be a path in an archive")
    return path
