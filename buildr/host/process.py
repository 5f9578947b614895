"""Identification of processes: start times, boot id, pid namespace."""

from __future__ import annotations

import os


def start_time(pid: str) -> str:
    """Return the start time of a process in clock ticks since boot; empty if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name of the program is in parentheses and may contain parentheses itself.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    return fields[19].decode("ascii")


def boot_id() -> str:
    """Return the id of the current boot; empty if unknown."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def pid_namespace() -> str:
    """Return an id of this process's pid namespace; empty if unknown."""
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return ""
