"""The record of the files written by ``buildr eject``, so that a later eject replaces only those.

Each path has a mark: ``dir``, ``sha256:`` and the digest of a file's content, or ``link:`` and the target of a symbolic
link. A path with another mark has been changed since, and belongs to the user.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct

from buildr.context.entries import printable
from buildr.errors import ContextError
from buildr.plan.eject_install import TEMPORARY

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FOLDER",
    "MANIFEST",
    "Marks",
    "Survey",
    "file_mark",
    "link_mark",
    "manifest_text",
    "read_manifest",
    "survey",
]

MANIFEST: Final = ".buildr-eject.json"
"""The record's name, at the top of the directory."""
FOLDER: Final = "dir"
"""The mark of a directory."""

Marks: TypeAlias = dict[str, tuple[str, ...]]
"""Possible marks by relative path: two if an eject was killed while it replaced an earlier one."""

_VERSION: Final = 1
_MOST_BYTES: Final = 1 << 28
_CHUNK_BYTES: Final = 1 << 20


class Survey(Struct, frozen=True, kw_only=True):
    """What is in a directory."""

    ours: Mapping[str, str]
    """Unchanged paths of an eject, with their marks."""
    foreign: Mapping[str, str]
    """All other paths, with their marks."""

    def without_foreign(self) -> list[str]:
        """Return a minimal list of paths that contain only our files; an empty path is the whole directory."""
        if not self.foreign:
            return [""]
        mixed = {""}
        for path in self.foreign:
            while path := path.rpartition("/")[0]:
                mixed.add(path)
        held = (
            path for path in self.ours if path not in mixed and path.rpartition("/")[0] in mixed
        )
        return [MANIFEST, TEMPORARY, *held]


def file_mark(digest: str) -> str:
    """Return the mark of a file, given the hexadecimal SHA-256 of its content."""
    return f"sha256:{digest}"


def link_mark(target: str) -> str:
    """Return the mark of a symbolic link."""
    return f"link:{target}"


def read_manifest(top: str) -> Marks | None:
    """Return the record of an earlier eject; ``None`` if there is none.

    Raises:
        ContextError: the record is foreign or damaged.
    """
    path = f"{top}/{MANIFEST}"
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _broken(path, error.strerror or str(error)) from None
    with open(file, "rb") as opened:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
            raise _broken(path, "it is not a regular file of a sensible size")
        data = opened.read(_MOST_BYTES)
    try:
        found = json.loads(data)
        if found["version"] != _VERSION:
            raise _broken(path, f"it has the version {found['version']!r}")
        marks = {path: tuple(marks) for path, marks in found["written"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _broken(path, "it is damaged") from None
    if not all(isinstance(mark, str) for of_path in marks.values() for mark in of_path):
        raise _broken(path, "it is damaged")
    return marks


def manifest_text(marks: Marks) -> str:
    """Return the record as text."""
    written = {path: list(of_path) for path, of_path in sorted(marks.items())}
    return json.dumps({"version": _VERSION, "written": written}, indent=1) + "\n"


def survey(top: str, written: Marks) -> Survey:
    """Examine a directory without following links. Only files in the record are read.

    Args:
        top: the directory, which need not exist.
        written: the result of `read_manifest`.

    Raises:
        OSError: a file in the record cannot be read.
    """
    ours: dict[str, str] = {}
    foreign: dict[str, str] = {}
    pending = [""]
    while pending:
        folder = pending.pop()
        with contextlib.ExitStack() as stack:
            try:
                items = sorted(
                    stack.enter_context(os.scandir(f"{top}/{folder}")), key=lambda i: i.name
                )
            except (FileNotFoundError, NotADirectoryError, PermissionError):
                continue  # an unreadable folder counts as not empty and is kept
            for item in items:
                path = f"{folder}/{item.name}" if folder else item.name
                if path == MANIFEST or (written and path == TEMPORARY):
                    continue
                known = written.get(path, ())
                mark = _mark(item, known=bool(known))
                (ours if mark in known else foreign)[path] = mark
                if mark == FOLDER:
                    pending.append(path)
    return Survey(ours=ours, foreign=foreign)


def _mark(item: os.DirEntry[str], *, known: bool) -> str:
    if item.is_symlink():
        return link_mark(os.readlink(item.path))
    if item.is_dir(follow_symlinks=False):
        return FOLDER
    if not known or not item.is_file(follow_symlinks=False):
        return "other"
    digest = hashlib.sha256()
    file = os.open(item.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(file, "rb") as opened:
        while chunk := opened.read(_CHUNK_BYTES):
            digest.update(chunk)
    return file_mark(digest.hexdigest())


def _broken(path: str, why: str) -> ContextError:
    return ContextError(
        f"{printable(path)}, the record of what an eject has written, cannot be used: {why}; nothing was written",
        hint="Name another directory, or remove this one if nothing in it is yours.",
    )
