"""The records of the context package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CLIMBING",
    "Entry",
    "EntryKind",
    "Scan",
    "Skipped",
    "Without",
    "first_of",
    "normal_mode",
    "printable",
]

EntryKind = Literal["file", "dir", "symlink", "hardlink"]


class Entry(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A file, folder or link that travels.

    Positional, unlike other records: a context may have 50,000 of them.

    Attributes:
        path: relative to the context, components separated by ``/``; bytes that are not UTF-8 are surrogate
            escapes.
        kind: ``hardlink`` is a further name of a file that comes earlier.
        mode: permission bits as they are on the disk, 0 to 0o7777.
        size: bytes of a file, 0 for all else.
        mtime_ns: time of the last change of the content, in nanoseconds since the epoch.
        inode: its number on ``device``.
        device: the file system's number.
        target: where a ``symlink`` leads, as it is written there; the path of the first name of a ``hardlink``.
        ctime_ns: time of the last change of anything about it, which no program can set, in nanoseconds since
            the epoch.
    """

    path: str
    kind: EntryKind
    mode: int
    size: int
    mtime_ns: int
    inode: int
    device: int
    target: str = ""
    ctime_ns: int = 0


CLIMBING = "a symbolic link out of the context"
"""Why a link is left out: see `buildr.context.links`."""


class Skipped(NamedTuple):
    """A path that cannot travel, and the reason."""

    path: str
    reason: str


class Without(msgspec.Struct, frozen=True, kw_only=True):
    """Paths that never travel, regardless of ignore rules.

    Attributes:
        paths: relative to the directory.
        files: by whatever name, each by its device and inode.
    """

    paths: frozenset[str] = frozenset()
    files: frozenset[tuple[int, int]] = frozenset()


class Scan(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The result of a scan.

    Attributes:
        entries: what travels. A folder comes before what is in it; names of one folder are in the order of
            their bytes.
        secrets: paths that were held back as likely secrets; a folder has a final ``/``.
        skipped: sockets, devices and FIFOs, and files that never travel.
        watched: what else was looked at and decided what travels: folders that were listed, the root (whose
            path is empty) first, and files whose beginning was read.
        histories: paths of what version control systems keep, where the ignore file has no line for it.
    """

    entries: tuple[Entry, ...]
    secrets: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    watched: tuple[Entry, ...] = ()
    histories: tuple[str, ...] = ()


def normal_mode(mode: int, kind: EntryKind) -> int:
    """Give the permission bits that an entry has in the image.

    The group gets what the owner has, so that the image runs under any uid with gid 0 (OpenShift's
    convention), and that two checkouts with another umask for the group give the same image. The owner may
    always read, and enter folders. Set-uid, set-gid and sticky bits are dropped: on a shared host they are an
    accident of the place (a set-gid project folder), and in an image, where root owns the file, set-uid would
    hand out root.

    Args:
        mode: the bits on the disk.
        kind: what it is; a symbolic link has no bits of its own.
    """
    if kind == "symlink":
        return 0o777
    owner = mode & 0o700 | (0o500 if kind == "dir" else 0o400)
    return owner | owner >> 3 | mode & 0o007


def first_of(paths: Sequence[str]) -> str:
    """Return the first few paths and the number of the others, for users."""
    shown = ", ".join(printable(path) for path in paths[:3])
    return shown if len(paths) <= 3 else f"{shown} and {len(paths) - 3} more"


def printable(path: str) -> str:
    """Give ``path`` as a message can show it: quoted and escaped where it has control or broken characters."""
    return path if path.isprintable() else ascii(path)
