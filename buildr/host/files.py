"""Reads files of a project and of the user's settings: only regular files, with a size limit.

A checkout can have anything under a name that Buildr reads: a link to ``/dev/zero``, a FIFO without a writer, a sparse
file of a terabyte. Each of them is an `OSError` with the reason, like an unreadable file.
"""

from __future__ import annotations

import errno
import os
import stat

__all__ = ["LARGE_BYTES", "SCRIPT_BYTES", "SMALL_BYTES", "read_file", "read_head"]

SMALL_BYTES = 1 << 20
"""The maximum size of settings: ``pyproject.toml``, an ignore file, a Containerfile, a file of variables."""
SCRIPT_BYTES = 4 << 20
"""The maximum size of a script that is parsed: its syntax tree takes a hundred times as much."""
LARGE_BYTES = 16 << 20
"""The maximum size of generated files: a lock, a list of requirements with hashes."""

_HANDED = "/dev/fd/"
"""The paths for ``--env-file <(command)`` in a shell: a pipe passed to this process."""
_CHUNK_BYTES = 1 << 16
_KINDS = (
    (stat.S_ISDIR, errno.EISDIR, "a directory"),
    (stat.S_ISFIFO, errno.EINVAL, "a FIFO"),
    (stat.S_ISSOCK, errno.EINVAL, "a socket"),
    (stat.S_ISCHR, errno.EINVAL, "a device"),
    (stat.S_ISBLK, errno.EINVAL, "a device"),
)


def read_file(path: str | os.PathLike[str], most: int = SMALL_BYTES) -> bytes:
    """Return the content of a regular file; links are followed.

    Args:
        path: the path of the file.
        most: the maximum size in bytes.

    Raises:
        OSError: it does not exist, cannot be read, is not a regular file, or is larger; ``strerror`` is the reason.
    """
    data = read_head(path, most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most >> 10} KiB", os.fspath(path))
    return data


def read_head(path: str | os.PathLike[str], most: int) -> bytes:
    """Return the beginning of a regular file; links are followed.

    Args:
        path: the path of the file.
        most: the number of bytes to read.

    Raises:
        OSError: it does not exist, cannot be read, or is not a regular file.
    """
    if os.fspath(path).startswith(_HANDED):
        file = os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    else:
        _refuse_others(os.stat(path), path)  # opening a device may have side effects
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        if not os.fspath(path).startswith(_HANDED):
            _refuse_others(os.fstat(file), path)
        parts = []
        while most and (data := os.read(file, min(most, _CHUNK_BYTES))):
            parts.append(data)
            most -= len(data)
    finally:
        os.close(file)
    return b"".join(parts)


def _refuse_others(status: os.stat_result, path: str | os.PathLike[str]) -> None:
    for is_kind, number, kind in _KINDS:
        if is_kind(status.st_mode):
            raise OSError(number, f"it is {kind}, not a regular file", os.fspath(path))
