"""The parts of an archive: scanned directories, generated files, and single files from anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from buildr.context.entries import Entry


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """A scanned directory, or some of its entries.

    Attributes:
        entries: the entries of a scan; folders precede their contents.
        root: the directory that was scanned.
        prefix: the destination folder in the archive; empty for its top.
        mode: permission bits for every file; folders get them too, plus execute bits for those who can read. None keeps
            the bits of the files, normalized.
        contents: digests of files by path, as returned by `buildr.context.digest.ContentReader`. If the content of such
            a file has changed since the scan, sending it is an error.
        pinned: contents, by path, that are sent instead of those on the disk.
    """

    entries: Iterable[Entry]
    root: Path
    prefix: str = ""
    mode: int | None = None
    contents: Mapping[str, bytes] = {}
    pinned: Mapping[str, bytes] = {}


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A generated file: its path in the archive, content, and permission bits."""

    path: str
    data: bytes
    mode: int = 0o644


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """One regular file from anywhere.

    Attributes:
        path: the path in the archive.
        source: the file; links are not followed, so the caller resolves and checks them.
        mode: permission bits; None for those of the file, normalized.
        size: how many bytes are sent; None: the whole file.
        content: the digest of the content, as in `Tree`; empty: any content.
    """

    path: str
    source: Path
    mode: int | None = None
    size: int | None = None
    content: bytes = b""


Part = Tree | Member | Copy
