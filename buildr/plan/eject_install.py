"""Writes files into a directory that may have others, by descriptors of folders, so that no link leads out of it.

Each file is written to a temporary name and renamed (rename(2) is atomic), so every file is complete, old or new.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterator
    from typing import Self

__all__ = ["TEMPORARY", "Place"]

TEMPORARY: Final = ".buildr-eject.tmp"
"""The temporary name, at the top of the directory, of a file being written."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Place:
    """A directory to write to; a context manager.

    Args:
        top: its path.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, top: str) -> None:
        self._top = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._modes: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._top)

    def remove(self, path: str) -> None:
        """Remove a file, a link, or an empty folder; a missing path or a folder with files is not an error.

        Raises:
            OSError: it cannot be removed.
        """
        with contextlib.suppress(FileNotFoundError), self._parent(path) as (folder, name):
            if stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
                with contextlib.suppress(OSError):
                    os.rmdir(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)

    def make_writable(self, path: str) -> None:
        """Let the owner write into a folder.

        Raises:
            OSError: it is not a folder, or not the user's.
        """
        with self._folder(path) as folder:
            mode = stat.S_IMODE(os.fstat(folder).st_mode)
            if mode & stat.S_IRWXU != stat.S_IRWXU:
                os.fchmod(folder, mode | stat.S_IRWXU)

    def write(self, path: str, content: IO[bytes] | bytes, mode: int = 0o644) -> None:
        """Write a file, replacing an existing one.

        Raises:
            OSError: it cannot be written.
        """
        self._clear()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(TEMPORARY, flags, 0o600, dir_fd=self._top), "wb") as file:
            if isinstance(content, bytes):
                file.write(content)
            else:
                shutil.copyfileobj(content, file)
            os.fchmod(file.fileno(), mode)
        self._rename(path)

    def put(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Write a member of an archive.

        Raises:
            OSError: it cannot be written.
        """
        path = member.name.rstrip("/")
        if member.isdir():
            self._make_folder(path, member.mode)
        elif member.issym():
            self._clear()
            os.symlink(member.linkname, TEMPORARY, dir_fd=self._top)
            self._rename(path)
        elif member.islnk():
            self._clear()
            with self._parent(member.linkname) as (folder, name):
                os.link(
                    name, TEMPORARY, src_dir_fd=folder, dst_dir_fd=self._top, follow_symlinks=False
                )
            self._rename(path)
            self._clear()  # rename(2) does nothing for two names of one file
        elif (content := archive.extractfile(member)) is not None:
            self.write(path, content, member.mode)

    def finish(self) -> None:
        """Set the modes of the created folders, which may make them read-only.

        Raises:
            OSError: a folder is gone.
        """
        for path, mode in reversed(self._modes.items()):
            with self._folder(path) as folder:
                os.fchmod(folder, mode)

    def _make_folder(self, path: str, mode: int) -> None:
        with self._parent(path) as (folder, name), contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=folder)
            self._modes[path] = mode

    def _rename(self, path: str) -> None:
        with self._parent(path) as (folder, name):
            os.rename(TEMPORARY, name, src_dir_fd=self._top, dst_dir_fd=folder)

    def _clear(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(TEMPORARY, dir_fd=self._top)

    @contextlib.contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        above, _, name = path.rpartition("/")
        with self._folder(above) as folder:
            yield folder, name

    @contextlib.contextmanager
    def _folder(self, path: str) -> Iterator[int]:
        folder = os.dup(self._top)
        try:
            for name in path.split("/") if path else ():
                below = os.open(name, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = below
            yield folder
        finally:
            os.close(folder)
