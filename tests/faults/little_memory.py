"""A cgroup with a low memory limit, at which the kernel kills one of its processes; see cgroups(7)."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEPARATE = Path("/sys/fs/cgroup/memory")  # version 1
_UNIFIED = Path("/sys/fs/cgroup")
_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
_SECONDS = 60  # to wait for the group's last process


def available() -> bool:
    """Whether this machine allows such a group."""
    return os.geteuid() == 0 and (_has_separate() or _has_unified())


class Group:
    """The group.

    Args:
        path: the directory of the group.
        events: the file that counts kills.
    """

    def __init__(self, path: Path, events: str) -> None:
        self._path = path
        self._events = events

    def take(self, pid: int) -> None:
        """Move a process into the group. Not every kernel counts the memory that it already uses."""
        (self._path / "cgroup.procs").write_text(str(pid))

    def kills(self) -> int:
        """Return how many processes the OOM killer has killed."""
        found = _KILLS.search((self._path / self._events).read_text())
        return int(found[1]) if found else 0


@contextlib.contextmanager
def little_memory(name: str, mebibytes: int) -> Iterator[Group]:
    """Create a group, which is removed after its last process has ended.

    Args:
        name: the name of its directory.
        mebibytes: the memory limit of the group.
    """
    size = str(mebibytes << 20)
    if _has_separate():
        path, events = _SEPARATE / name, "memory.oom_control"
        limits = {"memory.limit_in_bytes": size, "memory.memsw.limit_in_bytes": size}
    else:
        path, events = _UNIFIED / name, "memory.events"
        limits = {"memory.max": size, "memory.swap.max": "0"}
    path.mkdir()
    try:
        for file, limit in limits.items():
            if (path / file).exists():  # not every kernel accounts for swap
                (path / file).write_text(limit)
        yield Group(path, events)
    finally:
        deadline = time.monotonic() + _SECONDS
        while (path / "cgroup.procs").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)  # version 1 has no event for an empty group
        path.rmdir()


def _has_separate() -> bool:
    return os.access(_SEPARATE / "cgroup.procs", os.W_OK)


def _has_unified() -> bool:
    try:
        return "memory" in (_UNIFIED / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False
