"""Processes of this machine: when one started, and what its pid means."""

from __future__ import annotations

import os


def start_time(pid: str) -> str:
    """Return when a process started, in clock ticks since boot; empty when there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name of the program is in parentheses and may hold anything, parentheses too.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    return fields[19].decode("ascii")


def boot_id() -> str:
    """Return what names the present boot of the machine; empty if it is not known."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def pid_namespace() -> str:
    """Return what names the pid namespace of this process; empty if it is not known."""
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return ""
