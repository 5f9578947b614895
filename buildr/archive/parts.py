"""What goes into an archive: a scanned directory, a generated file, a file from anywhere."""

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
        entries: from a scan, a folder before what is in it.
        root: the directory that was scanned.
        prefix: the folder of the archive that they go into; empty for its top.
        mode: permission bits for every file; folders get them too, with the right to enter where there is
            one to read. None keeps those of the files, normalised.
        contents: digests of files by their paths, as `buildr.context.digest.ContentReader` gives them. What is sent of
            these files has that content, or is an error: they may have changed since they were scanned.
        pinned: contents that are sent in place of those on the disk, by the files' paths.
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
