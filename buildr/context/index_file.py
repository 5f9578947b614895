"""The index of a directory in the cache: a head that is read each time, and a body that is read only after a change."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

import msgspec

from buildr.context.entries import Scan  # noqa: TC001 - msgspec resolves the fields of Body
from buildr.host import cache

if TYPE_CHECKING:
    from buildr.context.entries import Entry, EntryKind

_KIND: Final = "index"
# Two seconds on FAT, one on old network file systems, milliseconds elsewhere; and clocks of servers differ a little.
_MARGIN_NS: Final = 3_000_000_000
_TYPES: Final[dict[EntryKind, int]] = {
    "file": stat.S_IFREG,
    "hardlink": stat.S_IFREG,
    "dir": stat.S_IFDIR,
    "symlink": stat.S_IFLNK,
}


_FileRow = tuple[str, tuple[int, int, int, int, int, int]]
_OtherRow = tuple[str, tuple[int, int, int, int, int]]


class Head(msgspec.Struct, frozen=True, array_like=True):
    """The part that is read each time.

    Attributes:
        root: the directory, and
        settings: what else decides what is found; both once more, as a file name is but a digest of them.
        digest: of the whole tree.
        began_ns: when the look began, in nanoseconds since the epoch.
        racy: whether anything was too young to be trusted, or is on a file system whose times tell nothing.
        unreliable: the devices of such file systems.
        files: paths of files, each with size, times of content and status, inode, device, mode.
        others: the same of folders and links, without sizes.
    """

    root: str
    settings: str
    digest: str
    began_ns: int
    racy: bool
    unreliable: frozenset[int]
    files: list[_FileRow]
    others: list[_OtherRow]


class Body(msgspec.Struct, frozen=True, array_like=True):
    """The part that is read after a change or for a build.

    Attributes:
        scan: what was found.
        contents: a digest for each entry, empty for those without content.
    """

    scan: Scan
    contents: list[bytes]


def is_racy(entry: Entry, began_ns: int) -> bool:
    """Whether a status is too young to prove that a file has not changed; the next look reads it again.

    A file written again within the same tick of the file system's clock has the same times ("racy git",
    https://git-scm.com/docs/racy-git).

    Args:
        entry: the file.
        began_ns: when the look began, in nanoseconds since the epoch.
    """
    young = began_ns - _MARGIN_NS
    # A time of the content that is still to come has been set by a program: one that unpacks what was packed in another
    # time zone, say. Whatever is written now gets another one.
    return entry.ctime_ns >= young or young <= entry.mtime_ns <= began_ns + _MARGIN_NS


def load(name: str, root: str, settings: str) -> tuple[Head | None, memoryview]:
    """Return the head of an index and its encoded body; ``None`` and nothing without an index.

    Args:
        name: the key in the cache.
        root: the directory.
        settings: what else decides what is found.
    """
    parts = cache.load(_KIND, name)
    if parts is None or len(parts) != 2:
        return None, memoryview(b"")
    try:
        head = msgspec.msgpack.decode(parts[0], type=Head)
    except msgspec.DecodeError:
        return None, memoryview(b"")
    if (head.root, head.settings) != (root, settings):
        return None, memoryview(b"")
    return head, parts[1]


def store(name: str, root: str, settings: str, digest: str, began_ns: int, found: Body) -> None:
    """Store an index; see `Head` for the arguments. A tree with names that are not UTF-8 has no index."""
    from buildr.context.file_systems import unreliable

    scan = found.scan
    rows = [*scan.watched, *scan.entries]
    away = unreliable(os.path.realpath(root), {entry.device for entry in rows})
    head = Head(
        root=root,
        settings=settings,
        digest=digest,
        began_ns=began_ns,
        racy=bool(away) or any(is_racy(entry, began_ns) for entry in rows),
        unreliable=away,
        files=[
            (e.path, (e.size, e.mtime_ns, e.ctime_ns, e.inode, e.device, _TYPES[e.kind] | e.mode))
            for e in rows
            if e.kind == "file"
        ],
        others=[
            (e.path, (e.mtime_ns, e.ctime_ns, e.inode, e.device, _TYPES[e.kind] | e.mode))
            for e in rows
            if e.kind != "file"
        ],
    )
    try:
        cache.store(_KIND, name, msgspec.msgpack.encode(head), msgspec.msgpack.encode(found))
    except UnicodeEncodeError:
        return
