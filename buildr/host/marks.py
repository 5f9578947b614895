"""Marks: files that exist while a run or a build lasts. A leftover mark shows that it was killed.

The creating process holds a lock on its mark (flock(2)). The kernel releases it when the last process that holds it
ends, in every pid namespace. Marks are in the cache, which machines may share: each machine sees its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Literal, TypeAlias

from buildr.host import cache, state

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind: TypeAlias = Literal["build", "run"]

_FOLDER = "marks"
_UNFINISHED = "."  # prefix of names of marks that are not locked yet


class Mark:
    """The mark of a running run or build. If none can be created, as in a read-only home, it does nothing.

    Args:
        kind: ``run`` or ``build``.
        engine: the backend's name.
        name: the unique name of the run or build.
    """

    def __init__(self, kind: Kind, engine: str, name: str) -> None:
        self._path = ""
        self._file: int | None = None
        if (folder := cache.lock_directory(_FOLDER, make=True)) is None:
            return
        try:
            unfinished = f"{folder}/{_UNFINISHED}{name}"
            file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            path = f"{folder}/{_beginning(kind, engine)}{name}"
            os.rename(unfinished, path)
        except OSError:  # a file system without locks
            os.close(file)
            with contextlib.suppress(OSError):
                os.unlink(unfinished)
        else:
            self._path, self._file = path, file

    @property
    def file(self) -> int | None:
        """Its descriptor, to be passed to a process that finishes the work."""
        return self._file

    def note(self, line: str) -> None:
        """Add a line to it."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # the disk is full: the line is lost
                os.write(self._file, f"{line}\n".encode())

    def remove(self) -> None:
        """Remove it: the work is done."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
        self.close()

    def close(self) -> None:
        """Close it without removing it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def left(kind: Kind, engine: str) -> list[str]:
    """Return the paths of marks of killed runs or builds; the caller removes them after cleaning up.

    Args:
        kind: of what.
        engine: the backend's name.
    """
    beginning = _beginning(kind, engine)
    return [
        path for path in _all() if os.path.basename(path).startswith(beginning) and _is_left(path)
    ]


def remove(paths: list[str]) -> None:
    """Remove leftover marks."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)


def remove_named(name: str) -> None:
    """Remove the mark of a run or build by name."""
    remove([path for path in _all() if path.endswith(f"-{name}")])


def _all() -> Iterator[str]:
    if (folder := cache.lock_directory(_FOLDER)) is None:
        return
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            yield f"{folder}/{name}"


def _is_left(path: str) -> bool:
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # A shared lock, so that two checking processes do not take each other for the owner.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(file)
    return True


def _beginning(kind: Kind, engine: str) -> str:
    return f"{kind}-{state.machine() or 'here'}-{cache.key(engine)[:8]}-"
