"""Processes that this one starts and does not wait for."""

from __future__ import annotations

import contextlib
import os

_started: list[int] = []  # ours to collect when they have ended


def note(pid: int) -> None:
    """Remember a process that has been started, for `collect`."""
    _started.append(pid)


def collect() -> None:
    """Let the kernel forget processes that have ended."""
    for pid in tuple(_started):
        try:
            ended = os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:
            ended = True  # something else has collected it
        if ended:
            _started.remove(pid)


def inherited(last: int) -> list[int]:
    """Return the descriptors that this process was started with; no process that outlives it may hold them.

    Args:
        last: those above this one.
    """
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            descriptor = int(name)
            with contextlib.suppress(OSError):  # that of the listing itself
                if descriptor > last and os.get_inheritable(descriptor):
                    found.append(descriptor)
    return found
