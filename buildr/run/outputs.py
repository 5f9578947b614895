"""Copies files written by the guest to the project at the end of a run: the option ``outputs``.

The engine lists changed paths below ``/app``, and sends those that match a pattern. The guest controls this data: only
regular files are accepted, no link is followed, and nothing is written outside the project.
"""

from __future__ import annotations

import os
import posixpath
import secrets
import stat
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.archive.chunks import closing
from buildr.archive.reader import TarReader
from buildr.context.entries import printable
from buildr.context.ignore.pattern import Pattern, PatternSet
from buildr.errors import ContainerError, EngineError, Message, OptionError, OptionName
from buildr.layout import APP

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildr.archive.reader import Found
    from buildr.engines.containers import Containers

MOST_FILES = 10_000
MOST_BYTES = 4 << 30
"""The limit for all files of one run together."""

_VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".bzr"})
"""Folders with files that can make programs run, such as hooks and settings: no pattern applies to them."""

_SINGLY = 8  # the number of paths to request one by one; for more, their common folder is requested
_NOT_THERE = 404
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20


class Collected(Struct):
    """The result of a copy."""

    written: list[str]
    """Paths below the project."""
    refused: list[str]
    """Reasons for the files that were not written, a line each."""


class Outputs:
    """The output files of a run.

    Args:
        patterns: the patterns of the options.
        project: the absolute path of the context; files are written below it.

    Raises:
        OptionError: a pattern is invalid.
    """

    def __init__(self, patterns: Sequence[str], project: str) -> None:
        try:
            self._patterns = PatternSet(tuple(map(Pattern, patterns)))
        except ValueError as error:
            raise OptionError(
                Message(
                    OptionName("runtime.outputs"), f" has a pattern that is not valid: {error}"
                ),
                hint='accepted: patterns such as "out/*.csv" and "reports/**"',
            ) from None
        self._project = os.path.realpath(project)
        self._began = time.time()
        self._left = MOST_BYTES

    def collect(self, backend: Containers, container: str) -> Collected:
        """Copy the outputs of an ended container.

        Raises:
            BackendError: the engine does not send them.
            ContainerError: a file cannot be written here, or the data is not an archive.
        """
        wanted = {path for path in self._changed(backend, container) if self._matches(path)}
        found = Collected(written=[], refused=[])
        for top in _tops(wanted):
            try:
                with closing(backend.get_archive(container, posixpath.join(APP, top))) as chunks:
                    self._unpack(TarReader(chunks), top, wanted, found)
            except EngineError as error:
                if error.status != _NOT_THERE:  # its folder has been removed since
                    raise
            except (OSError, ValueError) as error:
                raise ContainerError(
                    f"the outputs of the run cannot be copied to {self._project}: {error}",
                    hint="The container has been removed. Is the disk full?",
                ) from error
        return found

    def _changed(self, backend: Containers, container: str) -> Iterator[str]:
        for path in backend.changed(container):
            relative = path.removeprefix(f"{APP}/")
            plain = posixpath.normpath(relative) == relative and not relative.startswith(
                ("/", "..")
            )
            if relative != path and plain:
                yield relative

    def _matches(self, path: str) -> bool:
        """Whether a pattern matches a path, or a folder above it."""
        while path:
            if self._patterns.matches(path, posixpath.basename(path)):
                return True
            path = posixpath.dirname(path)
        return False

    def _unpack(self, archive: TarReader, top: str, wanted: set[str], found: Collected) -> None:
        for member in archive:
            rest = member.path.rstrip("/").partition("/")[2]  # after the name of the requested path
            path = posixpath.join(top, rest) if rest else top
            if path not in wanted or member.kind == b"5":
                continue
            if not _VERSION_CONTROL.isdisjoint(path.lower().split("/")):
                found.refused.append(f"{printable(path)} belongs to version control")
            elif not member.is_file:
                found.refused.append(f"{printable(path)} is not a regular file")
            elif len(found.written) >= MOST_FILES or member.size > self._left:
                found.refused.append(f"{printable(path)} is more than the outputs of a run may be")
            elif reason := self._write(path, member, archive.content()):
                found.refused.append(f"{printable(path)}: {reason}")
            elif reason is not None:
                self._left -= member.size
                found.written.append(path)

    def _write(self, path: str, member: Found, content: Iterable[bytes]) -> str | None:
        """Write a file; return the reason if it was not written, empty if it was, ``None`` if the project already has it."""
        folder, name = posixpath.split(path)
        directory = self._open(folder)
        if directory is None:
            return "a folder above it is a link, or a file, in the project"
        temporary = f".buildr-output-{secrets.token_hex(8)}"
        try:
            # The umask applies, as for files of the user's programs; set-uid and the like are dropped.
            mode = 0o777 if member.mode & stat.S_IXUSR else 0o666
            file = os.open(temporary, _NEW, mode, dir_fd=directory)
            try:
                for chunk in content:
                    _write_all(file, chunk)
                reason = self._reason_against(file, directory, name, member)
                if reason == "":
                    os.utime(file, ns=(member.mtime_ns, member.mtime_ns))
                    os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
            finally:
                os.close(file)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=directory)
            os.close(directory)
        return reason

    def _open(self, folder: str) -> int | None:
        """Open a folder below the project, created if necessary; ``None`` if its path contains a link."""
        current = os.open(self._project, _FOLDER)
        for part in filter(None, folder.split("/")):
            above = current
            try:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=above)
                current = os.open(part, _FOLDER, dir_fd=above)
            except OSError:
                return None
            finally:
                os.close(above)
        return current

    def _reason_against(self, file: int, directory: int, name: str, member: Found) -> str | None:
        try:
            here = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return ""
        if not stat.S_ISREG(here.st_mode):
            return "the project has something else of that name"
        if here.st_size == member.size and _same(file, directory, name):
            return None
        if here.st_mtime >= self._began or here.st_mtime_ns > member.mtime_ns:
            return "the file in the project is newer"
        return ""


def _tops(paths: set[str]) -> list[str]:
    """Return the paths to request from the engine, to get all of these and little else.

    Prefer folders: for a single path that is a link, Podman sends its target.
    """
    asked = {posixpath.dirname(path) or path for path in paths}
    tops = [path for path in sorted(asked) if not any(above in asked for above in _above(path))]
    if len(tops) <= _SINGLY:
        return tops
    return [posixpath.commonpath([posixpath.dirname(path) for path in tops])]


def _above(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _same(file: int, directory: int, name: str) -> bool:
    os.lseek(file, 0, os.SEEK_SET)
    other = os.open(
        name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory
    )
    with os.fdopen(other, "rb") as known, os.fdopen(os.dup(file), "rb") as new:
        while (piece := new.read(_CHUNK)) == known.read(_CHUNK):
            if not piece:
                return True
    return False
