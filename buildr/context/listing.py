"""What a scan reads of the file system: the status of an entry, the names in a folder, the beginning of a file."""

from __future__ import annotations

import os
import stat
from operator import attrgetter
from typing import TYPE_CHECKING

from buildr.context.entries import Entry

if TYPE_CHECKING:
    from buildr.context.entries import EntryKind

_name = attrgetter("name")


def entry_of(path: str, kind: EntryKind, status: os.stat_result, target: str = "") -> Entry:
    """Return the entry of a path with this status."""
    return Entry(
        path,
        kind,
        stat.S_IMODE(status.st_mode),
        status.st_size if kind == "file" else 0,
        status.st_mtime_ns,
        status.st_ino,
        status.st_dev,
        target,
        status.st_ctime_ns,
    )


def list_folder(path: str) -> list[os.DirEntry[str]]:
    """Return the entries of a folder, sorted by the bytes of their names.

    Raises:
        OSError: it cannot be read.
    """
    with os.scandir(path) as found:
        items = sorted(found, key=_name)
    # Code points and UTF-8 bytes sort alike, except the surrogates that represent invalid bytes.
    if not "".join(map(_name, items)).isascii():
        items.sort(key=lambda item: os.fsencode(item.name))
    return items


def may_read(path: str) -> bool:
    """Whether this process may read a file."""
    return os.access(path, os.R_OK, effective_ids=True)


def read_beginning(path: str, most: int) -> bytes:
    """Return at most ``most`` bytes of a file; a link is not followed.

    Raises:
        OSError: it cannot be read.
    """
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(file, most)
    finally:
        os.close(file)
