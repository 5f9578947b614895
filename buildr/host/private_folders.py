"""Folders that are this user's alone: no other user can have put anything into them, or do so later.

A folder that is a link, another user's, or writable by others is refused, also where a variable names it: ``XDG_CACHE_HOME`` may
point into a folder that users share, and under ``sudo -E`` it is somebody else's.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "RefusedError",
    "base_directory",
    "first_of",
    "is_private",
    "make_folder",
    "open_folder",
    "runtime_folders",
]

TEMPORARY = "/tmp"  # noqa: S108 - what is made there is checked for its owner and mode
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class RefusedError(PermissionError):
    """A folder is there, and is not this user's alone."""


def is_private(status: os.stat_result) -> bool:
    """Whether a folder is this user's, and no other user may write to it."""
    mine = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return mine and not status.st_mode & _OTHERS


def open_folder(path: str, *, within: int | None = None) -> int:
    """Open a folder that is this user's alone; return its descriptor, which the caller closes.

    Args:
        path: its path.
        within: a descriptor of the folder that a relative path starts at.

    Raises:
        RefusedError: it is not a folder of this user's alone.
        OSError: it is not there, or cannot be opened.
    """
    try:
        folder = os.open(path, _FOLDER, dir_fd=within)
    except OSError as error:
        if error.errno in {errno.ENOTDIR, errno.ELOOP} and _is_link(path, within):
            raise _refused(path, "it is a link") from None
        raise
    if not is_private(status := os.fstat(folder)):
        os.close(folder)
        owner = (
            "it is another user's" if status.st_uid != os.geteuid() else "others may write there"
        )
        raise _refused(path, owner)
    return folder


def make_folder(path: str, *, within: int | None = None) -> int:
    """Open a folder that is this user's alone, as `open_folder` does; made if need be, with the folders above it.

    Raises:
        RefusedError: it is not a folder of this user's alone, or it would be made in a folder of somebody else's.
        OSError: it cannot be made.
    """
    try:
        folder = open_folder(path, within=within)
    except FileNotFoundError:
        if within is None:
            _make_above(os.path.dirname(path))
    else:
        if os.fstat(folder).st_mode & 0o077:
            os.fchmod(folder, 0o700)
        return folder
    with suppress(FileExistsError):  # another process was quicker, or it is a dangling link
        os.mkdir(path, 0o700, dir_fd=within)
    return open_folder(path, within=within)


def first_of(paths: Iterable[str], *, make: bool = False) -> str | None:
    """Return the first of some folders that is this user's alone; ``None`` where there is none.

    Args:
        paths: the folders, the best first.
        make: whether one that is not there is made.
    """
    for path in paths:
        try:
            os.close(make_folder(path) if make else open_folder(path))
        except OSError:
            continue
        return path
    return None


def base_directory(variable: str, default: str) -> str:
    """Return the path of Buildr's folder in one of the user's base directories.

    A relative path in the variable is ignored: https://specifications.freedesktop.org/basedir-spec/latest/

    Args:
        variable: names the base directory, ``XDG_CACHE_HOME``.
        default: the base directory where the variable is not set, ``~/.cache``.
    """
    base = os.environ.get(variable, "")
    return f"{base if base.startswith('/') else os.path.expanduser(default)}/buildr"


def runtime_folders() -> list[str]:
    """Return where files of running programs go, the best place first: none of them need be there.

    Under sudo the variable may name somebody else's directory, in which root must leave nothing.
    """
    uid = os.geteuid()
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    places = [f"{TEMPORARY}/buildr-{uid}"]
    with suppress(OSError):
        status = os.stat(runtime)
        # In a folder that others may write to, without the sticky bit, they could replace ours.
        is_open = status.st_mode & _OTHERS and not status.st_mode & stat.S_ISVTX
        if status.st_uid == uid and not is_open:
            places.insert(0, f"{runtime}/buildr")
    return places


def _make_above(path: str) -> None:
    """Make the folders above ours, unless they would be made in a folder of another user."""
    try:
        owner = os.stat(path).st_uid
    except FileNotFoundError:
        # A home that does not exist is a mistake, or means that there is none, as with system accounts.
        if path in (os.path.dirname(path), os.path.expanduser("~")):
            raise
        _make_above(os.path.dirname(path))
        with suppress(FileExistsError):
            os.mkdir(path)
        return
    if owner not in {0, os.geteuid()}:
        raise _refused(path, "it is another user's")


def _is_link(path: str, within: int | None) -> bool:
    try:
        return stat.S_ISLNK(os.stat(path, dir_fd=within, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _refused(path: str, why: str) -> RefusedError:
    return RefusedError(errno.EACCES, why, path)
