"""The digest of a context: everything in it that determines the content of an image."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final

from buildr.context.entries import normal_mode
from buildr.context.reading import TreeReader, changed, unreadable
from buildr.context.sparse import data_extents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from buildr.context.entries import Entry

__all__ = ["ContentReader", "RunningDigest", "content_digest", "small_digest", "tree_digest"]

_BLOCK: Final = 1024 * 1024
_NOTHING: Final = bytes(_BLOCK)


def tree_digest(
    entries: Iterable[Entry],
    root: Path,
    *,
    content_digest: Callable[[Entry], bytes] | None = None,
    seen: Callable[[bytes], object] | None = None,
) -> str:
    """Digest what will be in the image: paths, kinds, modes as packed, targets of links, contents.

    Times, owners and inodes do not count, nor does where a file has holes.

    Args:
        entries: from a scan, in its order.
        root: the directory that was scanned.
        content_digest: gives the digest of a file's content, for an index that knows it already; the bytes
            must be those that ``ContentReader`` gives. Called for files with content only.
        seen: called with the digest of each entry's content, empty where it has none.

    Returns:
        SHA-256, in hexadecimal digits.

    Raises:
        ContextError: a file cannot be read, or is not as it was when it was scanned.
    """
    total = hashlib.sha256()
    reader = ContentReader(root)
    digest = content_digest or reader.digest
    with reader:
        for entry in entries:
            content = digest(entry) if entry.kind == "file" and entry.size else b""
            if seen is not None:
                seen(content)
            path, target = os.fsencode(entry.path), os.fsencode(entry.target)
            mode = normal_mode(entry.mode, entry.kind)
            # The lengths come first, so that no two lists of fields give the same bytes.
            head = f"{entry.kind} {mode:o} {len(path)} {len(target)} {len(content)}\n"
            total.update(b"".join((head.encode(), path, target, content)))
    return total.hexdigest()


class ContentReader(TreeReader):
    """Computes the digests of files' contents."""

    def digest(self, entry: Entry) -> bytes:
        """Digest the content of a file: the size it was scanned with, and its blocks of 1 MiB.

        A block of zeros counts as such without being hashed, and a hole without being read, so that a large
        sparse file costs nothing and gives the same digest as its full copy.

        Returns:
            32 bytes.

        Raises:
            ContextError: it cannot be read, or is not as it was when it was scanned.
        """
        if entry.size <= _BLOCK:
            return small_digest(self.read(entry))
        file, status = self.open(entry)
        try:
            return self._digest_blocks(file, entry, status)
        except OSError as error:
            raise unreadable(entry.path, error.strerror or str(error)) from error
        finally:
            os.close(file)

    @staticmethod
    def _digest_blocks(file: int, entry: Entry, status: os.stat_result) -> bytes:
        result = hashlib.sha256(b"%d\n" % entry.size)
        done = 0
        for extent in data_extents(file, entry.size, status):
            after = -(-(extent.offset + extent.length) // _BLOCK)
            for number in range(max(done, extent.offset // _BLOCK), after):
                start = number * _BLOCK
                wanted = min(_BLOCK, entry.size - start)
                block = os.pread(file, wanted, start)
                if len(block) < wanted:
                    raise changed(entry.path)
                if block != _NOTHING[:wanted]:
                    result.update(b"%d\n" % number)
                    result.update(block)
            done = max(done, after)
        return result.digest()


def small_digest(data: bytes) -> bytes:
    """Digest a whole content of 1 MiB at most, as `ContentReader.digest` does."""
    return hashlib.sha256(b"%d\n" % len(data) + data).digest()


def content_digest(data: bytes) -> bytes:
    """Digest a whole content of any size in the same way."""
    running = RunningDigest(len(data))
    running.update(0, data)
    return running.finish()


class RunningDigest:
    """The digest of a file's content that `ContentReader.digest` gives, made while the content passes by.

    Args:
        size: of the content, in bytes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._total = hashlib.sha256(b"%d\n" % size)
        self._number = 0  # of the block that is held
        self._held = bytearray()

    def update(self, offset: int, data: bytes) -> None:
        """Process a piece; pieces are in order, and gaps between them are zeros."""
        rest = memoryview(data)
        while rest:
            number, start = divmod(offset, _BLOCK)
            if number != self._number:
                self._end_block()
                self._number = number
            self._held += _NOTHING[: start - len(self._held)]
            piece = rest[: _BLOCK - start]
            self._held += piece
            offset += len(piece)
            rest = rest[len(piece) :]

    def finish(self) -> bytes:
        """Return the digest, 32 bytes, when all has been taken."""
        self._end_block()
        return self._total.digest()

    def _end_block(self) -> None:
        wanted = min(_BLOCK, self._size - self._number * _BLOCK)
        self._held += _NOTHING[: wanted - len(self._held)]
        if self._size <= _BLOCK:
            self._total.update(self._held)
        elif self._held != _NOTHING[:wanted]:
            self._total.update(b"%d\n" % self._number)
            self._total.update(self._held)
        self._held.clear()
