"""Open the files of a context, and notice when they are no longer those that were scanned."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final, Self

from buildr.context.entries import printable
from buildr.errors import ContextError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from buildr.context.entries import Entry

__all__ = ["ChangedError", "TreeReader", "VanishedError", "changed", "unreadable"]

# O_PATH: a folder that may be entered but not listed is enough.
_FOLDER: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: should a FIFO have taken the file's place, opening it must not wait for a writer.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class ChangedError(ContextError):
    """A file has changed since the context was scanned; another scan may succeed."""


class VanishedError(ChangedError):
    """A file no longer exists."""


def changed(path: str, kind: type[ChangedError] = ChangedError) -> ChangedError:
    """Return the error for a file that has changed since the context was scanned."""
    return kind(
        f"{printable(path)} changed while it was read",
        hint="Run again. If a program writes to it all the time, leave it out by the ignore file.",
    )


def unreadable(path: str, reason: str) -> ContextError:
    """Make the error for a file that cannot be read."""
    return ContextError(
        f"{printable(path)} cannot be read: {reason}",
        hint="Give yourself the right to read it (chmod u+r), or leave it out by the ignore file.",
    )


class TreeReader:
    """Opens files below a root; never through a symbolic link, so never outside of it.

    Every folder on the way is opened relative to the one above it without following links: anyone who can write
    to the context cannot make us read another file by exchanging a folder for a link after the scan.

    Args:
        root: the directory that was scanned.

    Raises:
        ContextError: the root cannot be opened.
    """

    def __init__(self, root: Path) -> None:
        try:
            self._root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise unreadable(os.fspath(root), error.strerror or str(error)) from error
        # The folder of the last file, since the next one is usually in the same folder.
        self._folder = self._root
        self._folder_path = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the folders that are open."""
        self._leave()
        os.close(self._root)

    def open(self, entry: Entry) -> tuple[int, os.stat_result]:
        """Open the file of ``entry`` for reading.

        Only a file that grew is accepted as changed (a log, most likely): what it held before is still there.

        Returns:
            A descriptor, which the caller closes, and the file's status.

        Raises:
            ContextError: it cannot be read, or is not the file that was scanned.
        """
        folder, _, name = entry.path.rpartition("/")
        try:
            if folder != self._folder_path:
                self._enter(folder)
            file = os.open(name, _FILE, dir_fd=self._folder)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR}:
                raise changed(entry.path, VanishedError) from error
            if error.errno in {errno.ELOOP, errno.ENXIO}:
                raise changed(entry.path) from error
            if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}:
                raise  # it is not the file's fault
            raise unreadable(entry.path, error.strerror or str(error)) from error
        status = os.fstat(file)
        if not _is_same(entry, status):
            os.close(file)
            raise changed(entry.path)
        return file, status

    def read(self, entry: Entry) -> bytes:
        """Read the whole file of ``entry``, the size that it was scanned with; meant for small ones.

        Raises:
            ContextError: as for ``open``, or it became shorter.
        """
        file, _ = self.open(entry)
        try:
            data = os.read(file, entry.size)
        except OSError as error:
            raise unreadable(entry.path, error.strerror or str(error)) from error
        finally:
            os.close(file)
        if len(data) < entry.size:
            raise changed(entry.path)
        return data

    def _enter(self, folder: str) -> None:
        if self._folder_path and folder.startswith(self._folder_path + "/"):
            rest = folder[len(self._folder_path) + 1 :]
        else:
            self._leave()
            rest = folder
        for name in rest.split("/") if rest else ():
            below = os.open(name, _FOLDER, dir_fd=self._folder)
            path = f"{self._folder_path}/{name}" if self._folder_path else name
            self._leave()
            self._folder, self._folder_path = below, path

    def _leave(self) -> None:
        if self._folder != self._root:
            os.close(self._folder)
        self._folder, self._folder_path = self._root, ""


def _is_same(entry: Entry, status: os.stat_result) -> bool:
    if not stat.S_ISREG(status.st_mode):
        return False
    if status.st_size == entry.size and status.st_mtime_ns == entry.mtime_ns:
        return True  # without the inode: some network file systems renumber files
    same_inode = status.st_ino == entry.inode and status.st_dev == entry.device
    return same_inode and status.st_size > entry.size
