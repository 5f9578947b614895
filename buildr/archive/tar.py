"""Write the tar stream that an engine builds from: no temporary file, bounded memory, the same bytes each time.

Everything belongs to one uid and gid 0 without names and has one time, so that the same files give the same
stream on every host. Sparse files are in GNU's PAX format 1.0, which Go's archive/tar, GNU tar and Python
read: https://www.gnu.org/software/tar/manual/html_node/PAX-1.html
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

import msgspec

from buildr.archive.header import (
    BLOCK,
    DIRECTORY,
    FILE,
    HARDLINK,
    SYMLINK,
    header,
    header_size,
    padding,
    sparse_header,
)
from buildr.context.digest import RunningDigest, small_digest
from buildr.context.entries import Entry, normal_mode
from buildr.context.reading import TreeReader, changed, unreadable
from buildr.context.sparse import Extent, data_extents

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

__all__ = ["CHUNK_BYTES", "Copy", "Member", "Part", "Tree", "pack", "pack_tree", "tree_size"]

CHUNK_BYTES: Final = 256 * 1024
"""Size of the chunks that a stream comes in; a small file and its header may make one larger by a quarter."""

# A smaller saving is not worth the longer header; files below it are read in one piece.
_HOLES_BYTES: Final = 64 * 1024
# What readers that know nothing of sparse files call them all; the others take the name from a record.
_SPARSE_NAME: Final = b"GNUSparseFile.0"
_FOLDER_MODE: Final = 0o755
_TREE_MODE: Final = 0o775


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """A scanned directory, or some of its entries.

    Attributes:
        entries: from a scan, a folder before what is in it.
        root: the directory that was scanned.
        prefix: the folder of the archive that they go into; empty for its top.
        mode: permission bits for every file; folders get them too, with the right to enter where there is
            one to read. None keeps those of the files, normalised.
        contents: digests of files by their paths, as `buildr.context.digest.ContentReader` gives them. What is sent of
            these files has that content, or is an error: they may have changed since they were scanned.
    """

    entries: Iterable[Entry]
    root: Path
    prefix: str = ""
    mode: int | None = None
    contents: Mapping[str, bytes] = {}


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is made up: its path in the archive, content, and permission bits."""

    path: str
    data: bytes
    mode: int = 0o644


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """One regular file from anywhere.

    Attributes:
        path: in the archive.
        source: the file; not followed if it is a link, so the caller resolves it and judges where it leads.
        mode: permission bits, taken as they are; None for those of the file, normalised.
        size: how much of it is sent, in bytes; None: all that it has then.
        content: the digest of what is sent, as in `Tree`; empty: anything.
    """

    path: str
    source: Path
    mode: int | None = None
    size: int | None = None
    content: bytes = b""


Part = Tree | Member | Copy


def pack(
    parts: Iterable[Part], *, owner: int = 0, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[bytes]:
    """Give the archive of ``parts``, in their order, as a stream.

    Folders that a prefix or a member's path needs are added with mode 0755 (the last one of a prefix: 0775),
    so that no engine has to invent them, each in its own way. Files are read while the stream is consumed.

    Args:
        parts: what goes in.
        owner: uid that everything belongs to, with gid 0.
        chunk_bytes: about how large a chunk is.

    Raises:
        ContextError: a file cannot be read, or is no longer the one that was scanned.
        ValueError: a path in the archive is empty, absolute, not canonical, or has a NUL in it.
    """
    stream = _Stream(chunk_bytes, owner)
    for part in parts:
        if isinstance(part, Tree):
            yield from stream.tree(part)
        elif isinstance(part, Member):
            yield from stream.member(part)
        else:
            yield from stream.copy(part)
    stream.put(bytes(2 * BLOCK))
    yield stream.take()


def pack_tree(tree: Tree, *, owner: int = 0, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """Give the archive of one tree as a stream whose length `tree_size` tells: holes of files are written out.

    Args:
        tree: what goes in.
        owner: uid that everything belongs to, with gid 0.
        chunk_bytes: about how large a chunk is.

    Raises:
        ContextError: a file cannot be read, or is no longer the one that was scanned.
    """
    stream = _Stream(chunk_bytes, owner, holes=False)
    yield from stream.tree(tree)
    stream.put(bytes(2 * BLOCK))
    yield stream.take()


def tree_size(tree: Tree) -> int:
    """Return how many bytes `pack_tree` gives, without a look at any file."""
    stream = _Measure()
    for _ in stream.tree(tree):
        pass
    return stream.total + 2 * BLOCK


class _Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A regular file that is open."""

    file: int
    path: str
    """For errors."""
    status: os.stat_result
    size: int
    """How many bytes of it are sent."""


class _Stream:
    """What was written and not yet passed on."""

    def __init__(self, chunk_bytes: int, owner: int, *, holes: bool = True) -> None:
        self._chunk = chunk_bytes
        self._owner = owner
        self._holes = holes  # whether those of sparse files are left out
        self._held: list[bytes] = []
        self._size = 0
        self._folders = {""}

    def put(self, data: bytes) -> None:
        self._held.append(data)
        self._size += len(data)

    def put_header(
        self, name: bytes, kind: bytes, *, mode: int, size: int = 0, link: bytes = b""
    ) -> None:
        self.put(header(name, kind, mode=mode, size=size, link=link, owner=self._owner))

    def take(self) -> bytes:
        data = b"".join(self._held)
        self._held.clear()
        self._size = 0
        return data

    def tree(self, part: Tree) -> Iterator[bytes]:
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
                    if entry.size < _HOLES_BYTES:
                        self._small_file(reader, entry, name, mode, content)
                    else:
                        yield from self._large_file(reader, entry, name, mode, content)
                elif entry.kind == "dir":
                    self._folder(path, mode)
                else:
                    hard = entry.kind == "hardlink"
                    target = os.fsencode(prefix + entry.target if hard else entry.target)
                    kind = HARDLINK if hard else SYMLINK
                    self.put_header(os.fsencode(path), kind, mode=mode, link=target)
                if self._size >= self._chunk:
                    yield self.take()

    def member(self, part: Member) -> Iterator[bytes]:
        self._parents(_checked(part.path))
        size = len(part.data)
        self.put_header(os.fsencode(part.path), FILE, mode=part.mode, size=size)
        rest = memoryview(part.data)
        while rest:
            if self._size >= self._chunk:
                yield self.take()
            room = self._chunk - self._size
            self.put(bytes(rest[:room]))
            rest = rest[room:]
        self.put(padding(size))

    def copy(self, part: Copy) -> Iterator[bytes]:
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

    def _small_file(
        self, reader: TreeReader, entry: Entry, name: bytes, mode: int, content: bytes
    ) -> None:
        size = entry.size
        self.put_header(name, FILE, mode=mode, size=size)
        if size:
            data = reader.read(entry)
            if content and small_digest(data) != content:
                raise changed(entry.path)
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
        if size - stored >= _HOLES_BYTES:
            sparse_map = _sparse_map(extents, size)
            stored += len(sparse_map)
            records = _sparse_records(name, size)
            self.put(
                sparse_header(_SPARSE_NAME, records, mode=mode, size=stored, owner=self._owner)
            )
            self.put(sparse_map)
        else:
            extents = [Extent(0, size)]
            stored = size
            self.put_header(name, FILE, mode=mode, size=size)
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
        while left:
            if self._size >= self._chunk:
                yield self.take()
            try:
                data = os.pread(file, min(left, self._chunk - self._size), offset)
            except OSError as error:
                raise unreadable(path, error.strerror or str(error)) from error
            if not data:
                raise changed(path)
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


class _Measure(_Stream):
    """The lengths of what would be written; no file is opened.

    Attributes:
        total: bytes so far.
    """

    def __init__(self) -> None:
        super().__init__(CHUNK_BYTES, 0, holes=False)
        self.total = 0

    def put_header(
        self,
        name: bytes,
        kind: bytes,  # noqa: ARG002 - of all kinds the same
        *,
        mode: int,  # noqa: ARG002 - likewise
        size: int = 0,
        link: bytes = b"",
    ) -> None:
        self.total += header_size(name, size=size, link=link)

    def _small_file(
        self,
        reader: TreeReader,  # noqa: ARG002 - nothing is read
        entry: Entry,
        name: bytes,
        mode: int,
        content: bytes,  # noqa: ARG002
    ) -> None:
        self.put_header(name, FILE, mode=mode, size=entry.size)
        self.total += entry.size + len(padding(entry.size))

    def _large_file(
        self, reader: TreeReader, entry: Entry, name: bytes, mode: int, content: bytes
    ) -> Iterator[bytes]:
        self._small_file(reader, entry, name, mode, content)
        return iter(())


def _mode(forced: int | None, entry: Entry) -> int:
    if forced is None or entry.kind == "symlink":
        return normal_mode(entry.mode, entry.kind)
    return forced | (forced & 0o444) >> 2 if entry.kind == "dir" else forced


def _was_rewritten(before: os.stat_result, after: os.stat_result) -> bool:
    return after.st_mtime_ns != before.st_mtime_ns and after.st_size <= before.st_size


def _sparse_map(extents: list[Extent], size: int) -> bytes:
    """Write the list of stretches that goes before the data; an empty one at the end tells the size."""
    if not extents or extents[-1].offset + extents[-1].length < size:
        extents = [*extents, Extent(size, 0)]
    numbers = [len(extents), *(number for extent in extents for number in extent)]
    data = b"".join(b"%d\n" % number for number in numbers)
    return data + padding(len(data))


def _sparse_records(name: bytes, size: int) -> dict[bytes, bytes]:
    return {
        b"GNU.sparse.major": b"1",
        b"GNU.sparse.minor": b"0",
        b"GNU.sparse.name": name,
        b"GNU.sparse.realsize": b"%d" % size,
    }


def _checked(path: str) -> str:
    if "\0" in path or any(part in {"", ".", ".."} for part in path.split("/")):
        raise ValueError(f"{path!r} cannot be a path in an archive")
    return path
