"""The index of a directory: what the last look at it found, so that the next one reads only what has changed.

As in git's index, a file whose status is what it was (size, times, inode, device, mode) has the content that it had;
and a folder whose status is what it was has the same names in it. So a directory where nothing has changed
is neither read nor listed: one lstat(2) for each name tells.

A status proves that only if it is older than the look by more than the clock of any file system is coarse ("racy
git", https://git-scm.com/docs/racy-git): a file written again within the same tick has the same times. What was that young
is read once more by the next look. The time of the last status change (ctime) is among what is compared, and no
program can set it; so a file that was put back with its old time, or written while the clock was wrong, is seen.
"""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from buildr.context.digest import ContentReader, tree_digest
from buildr.context.entries import Entry, Scan
from buildr.host import cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildr.context.entries import EntryKind

__all__ = ["Known", "Snapshot", "look", "nothing"]

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


Known: TypeAlias = "Callable[[Entry], bool]"
"""Whether a file is as it was when an earlier look let it travel."""


class _Head(msgspec.Struct, frozen=True, array_like=True):
    """What is read on every look.

    Attributes:
        root: the directory, and
        settings: what else decides what is found; both once more, as a file name is but a digest of them.
        digest: of the whole tree.
        began_ns: when the look began, in nanoseconds since the epoch.
        racy: whether anything was too young to be trusted.
        files: paths of files, each with size, times of content and status, inode, device, mode.
        others: the same of folders and links, without sizes.
    """

    root: str
    settings: str
    digest: str
    began_ns: int
    racy: bool
    files: list[_FileRow]
    others: list[_OtherRow]


class _Body(msgspec.Struct, frozen=True, array_like=True):
    """What is read when something has changed, or must be built.

    Attributes:
        scan: what was found.
        contents: a digest for each entry, empty for those without content.
    """

    scan: Scan
    contents: list[bytes]


class Snapshot:
    """What travels of a directory.

    Attributes:
        digest: SHA-256 of all that decides what will be in the image, in hexadecimal digits; see
            `buildr.context.digest.tree_digest`.
    """

    def __init__(self, digest: str, body: _Body | memoryview) -> None:
        self.digest = digest
        self._body = body

    @property
    def scan(self) -> Scan:
        """What was found when it was last looked at; readers check that the files are still those."""
        return self._read().scan

    @property
    def contents(self) -> list[bytes]:
        """A digest for each of the scan's entries; empty for those without content."""
        return self._read().contents

    def digests(self) -> dict[str, bytes]:
        """Return the digests of files by their paths, those of empty ones left out."""
        body = self._read()
        pairs = zip(body.scan.entries, body.contents, strict=True)
        return {entry.path: content for entry, content in pairs if content}

    def _read(self) -> _Body:
        if isinstance(self._body, memoryview):
            self._body = msgspec.msgpack.decode(self._body, type=_Body)
        return self._body


def nothing() -> Snapshot:
    """Return what a directory gives of which nothing travels."""
    return Snapshot("", _Body(Scan(entries=(), secrets=(), skipped=()), []))


def look(
    root: Path,
    settings: str,
    find: Callable[[Known], Scan],
    *,
    now_ns: Callable[[], int] = time.time_ns,
) -> Snapshot:
    """Find what travels of a directory, with as little reading as can be.

    Args:
        root: the directory.
        settings: names everything else that decides what ``find`` returns.
        find: walks it; is told what need not be looked into again.
        now_ns: the clock that file systems take their times from, in nanoseconds since the epoch.

    Raises:
        ContextError: ``find`` raised it, or a file cannot be read or changes meanwhile.
    """
    # Unlike the file's name, this differs between two installations of Buildr: what travels is decided by code, too.
    settings = f"{settings} {_code()}"
    top = os.path.abspath(root)
    name = cache.key(top, settings)
    head, body = _load(name, top, settings)
    if head is not None and not head.racy and _is_unchanged(top, head):
        return Snapshot(head.digest, body)
    known = _Known(head, body)
    began = now_ns()
    scan = find(lambda entry: known.get(entry) is not None)
    contents: list[bytes] = []
    with ContentReader(root) as reader:
        digest = tree_digest(
            scan.entries,
            root,
            content_digest=lambda entry: known.get(entry) or reader.digest(entry),
            seen=contents.append,
        )
    found = _Body(scan, contents)
    _store(name, top, settings, digest, began, found)
    return Snapshot(digest, found)


class _Known:
    """Digests of contents from an earlier look.

    Args:
        head: the first part of the index, if there is one.
        body: the second.
    """

    def __init__(self, head: _Head | None, body: memoryview) -> None:
        self._rows: dict[str, tuple[Entry, bytes]] = {}
        if head is None:
            return
        old = msgspec.msgpack.decode(body, type=_Body)
        self._rows = {
            entry.path: (entry, content)
            for entry, content in zip(old.scan.entries, old.contents, strict=True)
            if content and not _is_racy(entry, head.began_ns)
        }

    def get(self, entry: Entry) -> bytes | None:
        """Return the digest of a file's content, if it was read before and has not changed since."""
        row = self._rows.get(entry.path)
        return row[1] if row is not None and row[0] == entry else None


def _is_unchanged(root: str, head: _Head) -> bool:
    """Whether everything that was looked at is as it was; this is where a run of a large project spends its time."""
    lstat = os.lstat
    prefix = root.rstrip("/") + "/"
    try:
        for path, status in head.files:
            now = lstat(prefix + path)
            if status != (
                now.st_size,
                now.st_mtime_ns,
                now.st_ctime_ns,
                now.st_ino,
                now.st_dev,
                now.st_mode,
            ):
                return False
        for path, rest in head.others:
            now = lstat(prefix + path)
            if rest != (now.st_mtime_ns, now.st_ctime_ns, now.st_ino, now.st_dev, now.st_mode):
                return False
    except OSError:
        return False
    return True


def _is_racy(entry: Entry, began_ns: int) -> bool:
    young = began_ns - _MARGIN_NS
    # A time of the content that is still to come has been set by a program: one that unpacks what was packed in another
    # time zone, say. Whatever is written now gets another one.
    return entry.ctime_ns >= young or young <= entry.mtime_ns <= began_ns + _MARGIN_NS


def _load(name: str, root: str, settings: str) -> tuple[_Head | None, memoryview]:
    parts = cache.load(_KIND, name)
    if parts is None or len(parts) != 2:
        return None, memoryview(b"")
    try:
        head = msgspec.msgpack.decode(parts[0], type=_Head)
    except msgspec.DecodeError:
        return None, memoryview(b"")
    if (head.root, head.settings) != (root, settings):
        return None, memoryview(b"")
    return head, parts[1]


def _store(name: str, root: str, settings: str, digest: str, began_ns: int, found: _Body) -> None:
    scan = found.scan
    rows = [*scan.watched, *scan.entries]
    head = _Head(
        root=root,
        settings=settings,
        digest=digest,
        began_ns=began_ns,
        racy=any(_is_racy(entry, began_ns) for entry in rows),
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
        return  # a name that is no UTF-8: such a tree goes without


def _code() -> str:
    """Return what differs where the code of this package does: a sum of the times of its files."""
    here = os.path.dirname(os.path.abspath(__file__))
    return str(sum(_changed(folder) for folder in (here, f"{here}/ignore")))


def _changed(folder: str) -> int:
    with os.scandir(folder) as found:
        return sum(item.stat().st_mtime_ns for item in found if item.name.endswith(".py"))
