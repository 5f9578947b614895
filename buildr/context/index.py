"""The index of a directory: the result of the last scan, so that the next one reads only changed files.

As in git's index, a file whose status is what it was (size, times, inode, device, mode) has the content that it had;
and a folder whose status is what it was has the same names in it. So a directory where nothing has changed
is neither read nor listed: one lstat(2) for each name is enough.

A status proves that only if it is old enough (`buildr.context.index_file.is_racy`). The time of the last status change
(ctime) is compared too, and no program can set it; so a file that was put back with its old time, or written while the
clock was wrong, is seen. Where the file system does not keep that promise (`buildr.context.file_systems`) every look reads
everything.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from buildr.context.digest import ContentReader, tree_digest
from buildr.context.entries import Entry, Scan
from buildr.context.index_file import Body, Head, is_racy, load, store
from buildr.host import cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildr.context.pins import Pins

__all__ = ["Known", "Snapshot", "look", "nothing"]


Known: TypeAlias = "Callable[[Entry], bool]"
"""Whether a file is as it was when an earlier look let it travel."""


class Snapshot:
    """The files of a directory that travel.

    Attributes:
        digest: SHA-256 of all that decides what will be in the image, in hexadecimal digits; see
            `buildr.context.digest.tree_digest`.
        pinned: the contents of files that are to be sent as they were read, whatever they hold by now, by their paths.
    """

    def __init__(self, digest: str, body: Body | memoryview, pins: Pins | None = None) -> None:
        self.digest = digest
        self.pinned = {} if pins is None else pins.contents
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

    def _read(self) -> Body:
        if isinstance(self._body, memoryview):
            self._body = msgspec.msgpack.decode(self._body, type=Body)
        return self._body


def nothing() -> Snapshot:
    """Return the snapshot of an empty directory."""
    return Snapshot("", Body(Scan(entries=(), secrets=(), skipped=()), []))


def look(
    root: Path,
    settings: str,
    find: Callable[[Known], Scan],
    *,
    pins: Pins | None = None,
    now_ns: Callable[[], int] = time.time_ns,
) -> Snapshot:
    """Find the files of a directory that travel, reading as little as possible.

    Args:
        root: the directory.
        settings: names everything else that decides what ``find`` returns.
        find: walks it; its argument says which files need not be looked into again.
        pins: holds what ``find`` has read of files that are written to all the time. With it, a file that vanishes
            after it was found counts as not there.
        now_ns: the clock that file systems take their times from, in nanoseconds since the epoch.

    Raises:
        ContextError: ``find`` raised it, or a file cannot be read or changes meanwhile.
    """
    # Unlike the file's name, this differs between two installations of Buildr: code decides what travels, too.
    settings = f"{settings} {_code()}"
    top = os.path.abspath(root)
    name = cache.key(top, settings)
    head, body = load(name, top, settings)
    if head is not None and not head.racy and _is_unchanged(top, head):
        return Snapshot(head.digest, body)
    known = _Known(head, body)
    began = now_ns()
    scan = find(known.has)
    contents: list[bytes] = []
    with ContentReader(root) as reader:

        def content_digest(entry: Entry) -> bytes:
            return known.get(entry) or reader.digest(entry)

        if pins is not None:
            scan, digests = pins.settle(scan, content_digest)
        digest = tree_digest(
            scan.entries,
            root,
            content_digest=content_digest if pins is None else lambda entry: digests[entry.path],
            seen=contents.append,
        )
    found = Body(scan, contents)
    store(name, top, settings, digest, began, found)
    return Snapshot(digest, found, pins)


class _Known:
    """Digests of contents from an earlier look.

    Args:
        head: the first part of the index, if there is one.
        body: the second.
    """

    def __init__(self, head: Head | None, body: memoryview) -> None:
        self._rows: dict[str, tuple[Entry, bytes]] = {}
        if head is None:
            return
        old = msgspec.msgpack.decode(body, type=Body)
        self._rows = {
            entry.path: (entry, content)
            for entry, content in zip(old.scan.entries, old.contents, strict=True)
            if content and entry.device not in head.unreliable and not is_racy(entry, head.began_ns)
        }

    def has(self, entry: Entry) -> bool:
        """Whether a file travelled before and is unchanged."""
        return self.get(entry) is not None

    def get(self, entry: Entry) -> bytes | None:
        """Return the digest of a file's content, if it was read before and has not changed since."""
        row = self._rows.get(entry.path)
        return row[1] if row is not None and row[0] == entry else None


def _is_unchanged(root: str, head: Head) -> bool:
    """Whether all watched paths are unchanged; a run of a large project spends most of its time here."""
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


def _code() -> str:
    """Return a value that changes with the code of this package: a sum of the times of its files."""
    here = os.path.dirname(os.path.abspath(__file__))
    return str(sum(_changed(folder) for folder in (here, f"{here}/ignore")))


def _changed(folder: str) -> int:
    with os.scandir(folder) as found:
        return sum(item.stat().st_mtime_ns for item in found if item.name.endswith(".py"))
