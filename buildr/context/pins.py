"""Files that change constantly: their contents are held in memory, so that the hashed content is the one that is sent."""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING, Final

from msgspec import structs

from buildr.context.digest import content_digest
from buildr.context.index_file import is_racy
from buildr.context.reading import VanishedError, changed

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.context.entries import Entry, Scan

__all__ = ["Pins"]

_MOST_BYTES: Final = 4 << 20  # of one file
_MOST_BYTES_IN_ALL: Final = 64 << 20
_TRIES: Final = 3  # attempts to read a file that is not overwritten meanwhile
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class Pins:
    """The contents of the files of one directory that were written to just now.

    Attributes:
        contents: by the files' paths, relative to the directory.
    """

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self._began = time.time_ns()
        self._left = _MOST_BYTES_IN_ALL

    def pin(self, file: str, entry: Entry) -> Entry:
        """Read a file if it changed recently and is not too large to be held.

        Args:
            file: where it is.
            entry: what a scan has found.

        Returns:
            The file as it was when it was read; ``entry`` where it is not held.

        Raises:
            FileNotFoundError: it no longer exists.
        """
        if not is_racy(entry, self._began):
            return entry
        try:
            descriptor = os.open(file, _FILE)
        except FileNotFoundError:
            raise
        except OSError:
            return entry  # the reader reports it
        try:
            for _ in range(_TRIES):
                status = os.fstat(descriptor)
                most = min(_MOST_BYTES, self._left)
                if not stat.S_ISREG(status.st_mode) or status.st_size > most:
                    break
                data = os.pread(descriptor, status.st_size, 0)
                after = os.fstat(descriptor)
                # A file that only grew still has its earlier content.
                if after.st_mtime_ns == status.st_mtime_ns or after.st_size > status.st_size:
                    return self._hold(entry, status, data)
        finally:
            os.close(descriptor)
        return entry

    def _hold(self, entry: Entry, status: os.stat_result, data: bytes) -> Entry:
        self._left -= len(data)
        self.contents[entry.path] = data
        return structs.replace(
            entry,
            mode=stat.S_IMODE(status.st_mode),
            size=len(data),
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
            inode=status.st_ino,
            device=status.st_dev,
        )

    def settle(self, scan: Scan, digest: Callable[[Entry], bytes]) -> tuple[Scan, dict[str, bytes]]:
        """Digest the contents of files, and drop files that have vanished since the scan.

        Args:
            scan: what was found.
            digest: gives the digest of a file that is not held.

        Returns:
            What is there, and the digests of its contents by their paths.

        Raises:
            ContextError: a file cannot be read, or is not as it was when it was scanned.
        """
        digests: dict[str, bytes] = {}
        vanished: set[str] = set()
        for entry in scan.entries:
            if entry.kind != "file" or not entry.size:
                continue
            if (held := self.contents.get(entry.path)) is not None:
                digests[entry.path] = content_digest(held)
                continue
            try:
                digests[entry.path] = digest(entry)
            except VanishedError:
                vanished.add(entry.path)
        if not vanished:
            return scan, digests
        for entry in scan.entries:
            if entry.kind == "hardlink" and entry.target in vanished:
                raise changed(entry.target)
        entries = tuple(entry for entry in scan.entries if entry.path not in vanished)
        return structs.replace(scan, entries=entries), digests
