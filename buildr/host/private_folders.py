"""Private folders: no other user can have written to them, or can do so later.

A folder that is a link, another user's, or writable by others is refused, even if a variable names it:
``XDG_CACHE_HOME`` may be in a shared folder, and under ``sudo -E`` it belongs to another user.
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

TEMPORARY = "/tmp"  # noqa: S108 - owner and mode are checked
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class RefusedError(PermissionError):
    """A folder exists and is not private."""


def is_private(status: os.stat_result) -> bool:
    """Whether a folder belongs to this user, and no other user can write to it."""
    mine = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return mine and not status.st_mode & _OTHERS


def open_folder(path: str, *, within: int | None = None) -> int:
    """Open a private folder; return its descriptor, which the caller closes.

    Args:
        path: its path.
        within: a descriptor of the base folder of a relative path.

    Raises:
        RefusedError: it is not a private folder.
        OSError: it does not exist, or cannot be opened.
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
    """Open a private folder, as `open_folder` does; create it and its parents if necessary.

    Raises:
        RefusedError: it is not a private folder, or its parent belongs to another user.
        OSError: it cannot be created.
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
    with suppress(FileExistsError):  # another process was faster, or it is a dangling link
        os.mkdir(path, 0o700, dir_fd=within)
    return open_folder(path, within=within)


def first_of(paths: Iterable[str], *, make: bool = False) -> str | None:
    """Return the first private one of several folders; ``None`` if there is none.

    Args:
        paths: the folders, the best first.
        make: whether to create a missing one.
    """
    for path in paths:
        try:
            os.close(make_folder(path) if make else open_folder(path))
        except OSError:
            continue
        return path
    return None


def base_directory(variable: str, default: str) -> str:
    """Return the path of Buildr's folder in a base directory of the user.

    A relative path in the variable is ignored: https://specifications.freedesktop.org/basedir-spec/latest/

    Args:
        variable: the variable of the base directory, such as ``XDG_CACHE_HOME``.
        default: the base directory without the variable, such as ``~/.cache``.
    """
    base = os.environ.get(variable, "")
    return f"{base if base.startswith('/') else os.path.expanduser(default)}/buildr"


def runtime_folders() -> list[str]:
    """Return candidates for the runtime directory, the best first; they need not exist.

    Under sudo the variable may name another user's directory, in which root must leave nothing.
    """
    uid = os.geteuid()
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    places = [f"{TEMPORARY}/buildr-{uid}"]
    with suppress(OSError):
        status = os.stat(runtime)
        # In a folder that is writable by others and not sticky, they could replace ours.
        is_open = status.st_mode & _OTHERS and not status.st_mode & stat.S_ISVTX
        if status.st_uid == uid and not is_open:
            places.insert(0, f"{runtime}/buildr")
    return places


def _make_above(path: str) -> None:
    """Create the parents of ours, unless they would be in another user's folder."""
    try:
        owner = os.stat(path).st_uid
    except FileNotFoundError:
        # A missing home is a mistake, or means that there is none, as for system accounts.
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
