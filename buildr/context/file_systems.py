"""Which file systems show by a file's times that something was written to it.

The index (`buildr.context.index`) takes a file for unchanged whose status is what it was. That is right where the kernel
itself sets the time of the last status change, and notes a store through a memory map as it does a write. On others it is
not, and there contents are read:

- over a network, and in FUSE, the time is the server's or the program's; sshfs shows that of the content in its place, which
  anybody can set;
- in memory (tmpfs), a store through a map changes no time.

So a file system that is not known to keep times counts as one that does not. docs/reliability.md says what was measured.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_TABLE: Final = "/proc/self/mountinfo"  # proc(5)
_RELIABLE: Final = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs"})
_OVERLAY: Final = "overlay"
_UPPER: Final = "upperdir="


class _Mount(Struct, frozen=True, kw_only=True):
    device: int
    point: str
    kind: str
    options: str


def unreliable(root: str, devices: Collection[int]) -> frozenset[int]:
    """Return those devices whose files' times do not tell of every write.

    Args:
        root: an absolute path on one of them, without links.
        devices: as stat(2) has them.
    """
    mounts = list(_mounts())
    return frozenset(device for device in devices if not _is_reliable(mounts, root, device))


def _is_reliable(mounts: list[_Mount], root: str, device: int) -> bool:
    # Subvolumes of btrfs have devices that no mount has: those of the root's own mount, then.
    found = [mount for mount in mounts if mount.device == device] or _above(mounts, root)
    return bool(found) and all(_keeps_times(mounts, mount) for mount in found)


def _keeps_times(mounts: list[_Mount], mount: _Mount) -> bool:
    if mount.kind != _OVERLAY:
        return mount.kind in _RELIABLE
    # What is written goes to the file system of its upper directory; in a container that is out of sight.
    options = mount.options.split(",")
    upper = next((o.removeprefix(_UPPER) for o in options if o.startswith(_UPPER)), "")
    if not upper.startswith("/") or not os.path.isdir(upper):
        return False
    return all(below.kind in _RELIABLE for below in _above(mounts, upper))


def _above(mounts: list[_Mount], path: str) -> list[_Mount]:
    """Return the mount that a path is on: of those at the longest point the last, which covers the others."""
    here = [m for m in mounts if f"{path}/".startswith(f"{m.point.rstrip('/')}/")]
    return [max(reversed(here), key=lambda mount: len(mount.point))] if here else []


def _mounts() -> Iterator[_Mount]:
    try:
        with open(_TABLE, "rb") as file:
            rows = file.read().splitlines()
    except OSError:
        return
    for row in rows:
        own, _, common = row.partition(b" - ")
        before, after = own.split(), common.split()
        major, _, minor = before[2].partition(b":")
        yield _Mount(
            device=os.makedev(int(major), int(minor)),
            point=_path(before[4]),
            kind=after[0].decode(),
            options=os.fsdecode(after[2]) if len(after) > 2 else "",
        )


def _path(field: bytes) -> str:
    """Return a path of the table, in which a few characters are written as octal numbers."""
    for number in (b"040", b"011", b"012", b"134"):
        field = field.replace(b"\\" + number, bytes([int(number, 8)]))
    return os.fsdecode(field)
