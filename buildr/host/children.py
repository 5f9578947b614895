"""Child processes that this process does not wait for."""

from __future__ import annotations

import contextlib
import os

_started: list[int] = []  # reaped by `collect` after their end


def note(pid: int) -> None:
    """Remember a started process for `collect`."""
    _started.append(pid)


def collect() -> None:
    """Reap processes that have ended."""
    for pid in tuple(_started):
        try:
            ended = os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:
            ended = True  # something else has reaped it
        if ended:
            _started.remove(pid)


def inherited(last: int) -> list[int]:
    """Return the descriptors that this process inherited, which processes that outlive it must not hold.

    Args:
        last: only descriptors above this one.
    """
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            descriptor = int(name)
            with contextlib.suppress(OSError):  # the descriptor of the listing itself
                if descriptor > last and os.get_inheritable(descriptor):
                    found.append(descriptor)
    return found
