"""Errors caused by the process's environment: its directory, its limits, the space on its disks. The message says how to change that."""

from __future__ import annotations

import errno
import os

from buildr.errors import BuildrError

_LIMITS = "`ulimit -a` shows the limits of this shell, "
_OF_PLACES = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOTDIR}


def explained(error: BaseException) -> BuildrError | None:
    """Return a message for an error caused by the environment; ``None`` if it is a fault of Buildr itself."""
    if isinstance(error, MemoryError):
        return _no_memory()
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return _no_more("threads", "u")
    if isinstance(error, ImportError) and "map segment" in str(
        error
    ):  # of a shared library, mmap(2)
        return _no_memory()
    return _of_system(error) if isinstance(error, OSError) else None


def _of_system(error: OSError) -> BuildrError | None:
    found = None
    match error.errno:
        case errno.EMFILE | errno.ENFILE:
            found = _no_more("open files", "n")
        case errno.ENOMEM:
            found = _no_memory()
        case errno.EAGAIN:  # as fork(2) and its kin answer
            found = _no_more("processes", "u")
        case errno.ENOSPC | errno.EDQUOT:
            where = f" for {error.filename}" if error.filename else ""
            found = BuildrError(
                f"there is no space left on the disk{where}",
                hint="`df` and `quota` show what is full; `buildr prune` removes what runs and builds have left.",
            )
        case errno.ENOENT if _directory_is_gone():
            found = BuildrError(
                "the current directory does not exist any more",
                hint="Change to one that does, for example with `cd`.",
            )
        case code if code in _OF_PLACES and error.filename:
            found = BuildrError(f"{error.filename}: {error.strerror}")
    return found


def _no_more(what: str, option: str) -> BuildrError:
    return BuildrError(
        f"no more {what} are allowed here",
        hint=f"{_LIMITS}and `ulimit -{option} NUMBER` raises this one, up to its hard limit.",
    )


def _no_memory() -> BuildrError:
    return BuildrError(
        "there is not enough memory",
        hint=f"{_LIMITS}and `ulimit -v unlimited` lifts that of memory, where its hard limit allows it.",
    )


def _directory_is_gone() -> bool:
    try:
        os.getcwd()
    except OSError:
        return True
    return False
