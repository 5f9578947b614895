"""The directory that only this user can open, in which the services have their sockets."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from typing import TYPE_CHECKING

from buildr.errors import EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPORARY = "/tmp"  # noqa: S108 - what is made there is checked for its owner and mode
SHARED = "podman-"
"""How the names of shared services' sockets begin."""
PRIVATE = "build-"
"""How those of private services begin."""
LEFT_SECONDS = 60.0
"""After which a socket on which nothing listens counts as left over."""
_LONGEST_PATH = 107  # bytes of a Unix socket's path, unix(7)


def private_directory() -> str:
    """Return a directory that only this user can open.

    Raises:
        EngineUnavailableError: there is none, and none can be made.
    """
    uid = os.geteuid()
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    candidates = [f"{runtime}/buildr", f"{TEMPORARY}/buildr-{uid}"]
    # Under sudo the variable may name another user's directory, in which root must leave nothing.
    usable = candidates if _owner(runtime) == uid else candidates[1:]
    for path in usable:
        if _socket_fits(path) and _is_private(path, uid):
            return path
    raise EngineUnavailableError(
        f"there is no private directory for a Podman service: tried {' and '.join(candidates)}",
        hint="Set XDG_RUNTIME_DIR to a directory of your own with mode 0700 and a short path.",
    )


def _owner(path: str) -> int | None:
    try:
        return os.stat(path).st_uid
    except OSError:
        return None


def _socket_fits(directory: str) -> bool:
    longest = f"{directory}/{PRIVATE}{'0' * 7}-{'0' * 12}-{'0' * 6}.sock"
    return len(os.fsencode(longest)) <= _LONGEST_PATH


def _is_private(path: str, uid: int) -> bool:
    """Make a directory if need be; return whether it is, and always was, this user's alone."""
    with contextlib.suppress(OSError):
        os.mkdir(path, 0o700)
    try:
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o022:
            return False  # who may write there may have put another socket into it
        if found.st_mode & 0o077:
            os.chmod(path, 0o700)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def locked(path: str, *, wait: bool = True) -> Iterator[None]:
    """Hold a lock, flock(2), on a file that its holder may remove.

    Raises:
        OSError: the file cannot be opened; or another process has the lock, and ``wait`` is false.
    """
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if not _is_at(lock, path):
                continue  # removed meanwhile: the name belongs to another lock
            yield
            return
        finally:
            os.close(lock)


def _is_at(file: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False
