"""Builds and the removal of old images do not happen at the same time.

Podman's builds look through all stored images for layers that may serve, and fail when one vanishes meanwhile; so does a
list of images. A user's builds share a lock; old images are removed only by who has it alone, and otherwise by a
later build. flock(2): the kernel lets go of it when a process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from buildr import cache

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def building() -> Iterator[None]:
    """Keep old images from being removed; where no lock can be had (a read-only home) go on without."""
    lock = _open()
    try:
        if lock is not None:
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield
    finally:
        if lock is not None:
            os.close(lock)


@contextlib.contextmanager
def alone() -> Iterator[bool]:
    """Tell whether nobody builds, and keep it so; never waits."""
    lock = _open()
    try:
        yield lock is not None and _exclusive(lock)
    finally:
        if lock is not None:
            os.close(lock)


def _exclusive(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _open() -> int | None:
    try:
        return os.open(
            f"{cache.make_directory()}/build.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
    except OSError:
        return None
