"""What the first process reports when the command has ended: that memory ran out, which fault killed it, and which files are lost with the container.

`buildr.guest.init` loads it by its file name, which is why it imports nothing of the package.
"""

from __future__ import annotations

import os
import signal
import sys

_APP = "/app"
_CGROUP = "/sys/fs/cgroup"
_EVENTS = ("memory.events", "memory/memory.oom_control")  # of cgroup v2, and v1
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
_UNLIMITED = 1 << 60  # bytes; cgroup v1 says so by a very large number
_MOST = 50000  # directory entries that are looked at
_SHOWN = 3  # file names
_FAULTS = (
    signal.SIGABRT,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGSEGV,
    signal.SIGSYS,
    signal.SIGTRAP,
)


def of_memory(root: str = _CGROUP) -> str:
    """Return a message about processes that were killed because memory ran out; empty if there were none."""
    for events, limit in zip(_EVENTS, _LIMITS):  # noqa: B905 - `strict` came with 3.10
        for line in _read(os.path.join(root, events)).splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill" and count.strip() not in ("", "0"):
                return _killed(_read(os.path.join(root, limit)).strip())
    return ""


def of_signal(number: int, shared: str = "/dev/shm") -> str:  # noqa: S108 - not a temporary file
    """Return a message about the fault that killed the command; empty if there was none.

    Args:
        number: the signal that killed it; 0: none.
        shared: where POSIX shared memory lies.
    """
    if number not in _FAULTS:
        return ""
    name = signal.Signals(number).name
    if number == signal.SIGBUS:
        try:
            found = os.statvfs(shared)
        except OSError:
            found = None
        if found is not None and found.f_blocks and not found.f_bavail:
            size = found.f_blocks * found.f_frsize / (1 << 20)
            return (
                "the script was killed by %s, and %s is full: its size is %.0f MiB (runtime.shm_size, --shm-size)"
                % (name, shared, size)
            )
    return "the script was killed by %s (%s)" % (name, signal.strsignal(number))


def _killed(limit: str) -> str:
    if limit.isdigit() and int(limit) < _UNLIMITED:
        size = int(limit) / (1 << 20)
        return (
            "the kernel killed a process of the container, since its memory was used up: the limit is %.0f MiB"
            " (runtime.memory, --memory)" % size
        )
    return "the kernel killed a process of the container, since the machine's memory was used up"


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read(4096)
    except OSError:
        return ""


def written(since: float, top: str = _APP) -> list[str]:
    """Return the files below ``top`` that were made or changed, relative to it; mounts, caches and hidden folders apart.

    Args:
        since: seconds since the epoch.
        top: where to look; nothing is found where that is a mount itself.
    """
    try:
        device = os.stat(top).st_dev
        if device != os.stat(os.path.dirname(top)).st_dev:
            return []
    except OSError:
        return []
    found: list[str] = []
    folders, left = [top], _MOST
    while folders and left > 0:
        try:
            entries = list(os.scandir(folders.pop()))
        except OSError:
            continue
        left -= len(entries)
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if entry.is_dir(follow_symlinks=False):
                if status.st_dev == device and not is_cache(entry.name):
                    folders.append(entry.path)
            # The time of the last change cannot be set, unlike that of the content.
            elif status.st_ctime >= since and not is_cache(entry.name):
                found.append(entry.path[len(top) + 1 :])
    return sorted(found)


def is_cache(name: str) -> bool:
    """Whether a file or folder of this name can be lost without harm."""
    return name == "__pycache__" or name.startswith(".") or name.endswith(".pyc")


def of_files(paths: list[str]) -> str:
    """Return a message about files that were not kept; empty if there are none."""
    if not paths:
        return ""
    shown = ", ".join("".join(c if c.isprintable() else "?" for c in p) for p in paths[:_SHOWN])
    return "%d new or changed file%s in %s %s not kept: %s%s; --live, mounts or outputs keep %s" % (
        len(paths),
        "" if len(paths) == 1 else "s",
        _APP,
        "was" if len(paths) == 1 else "were",
        shown,
        ", …" if len(paths) > _SHOWN else "",
        "it" if len(paths) == 1 else "them",
    )


def say(text: str) -> None:
    """Write a line on standard error, if there is one to write."""
    if text:
        sys.stderr.write("buildr: %s\n" % text.encode("utf-8", "replace").decode())
        sys.stderr.flush()
