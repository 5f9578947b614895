"""The private directory of the services' sockets."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from buildr.errors import EngineUnavailableError
from buildr.host.private_folders import first_of, runtime_folders

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        EngineUnavailableError: it does not exist and cannot be created.
    """
    for path in (candidates := runtime_folders()):
        if _socket_fits(path) and first_of((path,), make=True):
            return path
    raise EngineUnavailableError(
        f"there is no private directory for a Podman service: tried {' and '.join(candidates)}",
        hint="Set XDG_RUNTIME_DIR to a directory of your own with mode 0700 and a short path.",
    )


def _socket_fits(directory: str) -> bool:
    longest = f"{directory}/{PRIVATE}{'0' * 7}-{'0' * 12}-{'0' * 6}.sock"
    return len(os.fsencode(longest)) <= _LONGEST_PATH


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
