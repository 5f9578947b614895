"""Who runs a container, in labels: enough for a later run to tell a live one from one that was left behind."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Literal, TypeAlias
from uuid import uuid4

from buildr.host.process import boot_id, pid_namespace, start_time

if TYPE_CHECKING:
    from collections.abc import Mapping

RUN = "buildr.run"
"""An id of its own for every run."""
UID = "buildr.uid"
PID = "buildr.pid"
STARTED = "buildr.started"
"""When the host process started, in clock ticks since boot (proc(5), ``/proc/pid/stat`` field 22)."""
BOOT = "buildr.boot"
NAMESPACE = "buildr.pid-namespace"
"""In which pids mean something: the inode of ``/proc/self/ns/pid``."""
GRACE = "buildr.grace-seconds"
CREATED = "buildr.created"
"""Seconds since the epoch, for people."""
KEEP = "buildr.keep"
"""Of containers that stay when their guests fail: see `buildr.run.keep`."""
DETACH = "buildr.detach"
"""Of containers that outlive their host processes: see `buildr.run.detach`."""
RESTART = "buildr.restart"
"""Of detached containers that their engine starts again when they have ended; its policy, as the user gave it."""
NAME = "buildr.name"
"""What runs, for people: the script's or module's name."""

PROJECT = "buildr.project"
VERSION = "buildr.version"
"""Labels of the images that Buildr builds; a project's containers have the first one, too."""
WHEELS = "buildr.wheels"
"""Label of images whose dependencies were installed with the cache of wheels: what was installed (`buildr.installer.wheels`)."""

Host: TypeAlias = Literal["alive", "gone", "unknown"]
"""What has become of the process that a container belongs to."""


def labels(grace_seconds: float) -> dict[str, str]:
    """Return the labels of a container that this process is about to create."""
    return {
        RUN: uuid4().hex,
        UID: str(os.getuid()),
        PID: str(os.getpid()),
        STARTED: start_time("self"),
        BOOT: boot_id(),
        NAMESPACE: pid_namespace(),
        GRACE: str(grace_seconds),
        CREATED: str(int(time.time())),
    }


def is_left_behind(found: Mapping[str, str]) -> bool:
    """Whether a container's host process, one of this user's, is certainly gone.

    Args:
        found: the container's labels.

    Returns:
        ``False`` in every case of doubt: another user's, another pid namespace's, or labels that are not ours.
    """
    return host(found) == "gone"


def host(found: Mapping[str, str]) -> Host:
    """Return what has become of a container's host process.

    Args:
        found: the container's labels.

    Returns:
        ``unknown`` in every case of doubt: another user's, another pid namespace's, or labels that are not ours.
    """
    if found.get(UID) != str(os.getuid()) or not found.get(RUN):
        return "unknown"
    if not found.get(BOOT) or not found.get(PID, "").isdecimal() or not found.get(STARTED):
        return "unknown"
    if found[BOOT] != boot_id():
        return "gone"  # that process ended with the machine
    if found.get(NAMESPACE) != pid_namespace():
        return "unknown"
    return "alive" if start_time(found[PID]) == found[STARTED] else "gone"
