"""Labels of containers: the owning user and process, so that later runs can distinguish live containers from leftovers."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Literal, TypeAlias
from uuid import uuid4

from msgspec.structs import replace

from buildr.engines.records import short_id
from buildr.host import state
from buildr.host.process import boot_id, pid_namespace, start_time
from buildr.labels import (
    BOOT,
    CREATED,
    DETACH,
    GRACE,
    KEEP,
    MACHINE,
    NAME,
    NAMESPACE,
    PID,
    PROOF,
    RESTART,
    ROLE,
    RUN,
    RUN_ROLE,
    STARTED,
    UID,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildr.engines.container_spec import ContainerSpec
    from buildr.engines.records import ContainerState

Host: TypeAlias = Literal["alive", "gone", "unknown", "another machine"]
"""The state of the process that owns a container."""

_UNSET = dict.fromkeys((NAME, KEEP, DETACH, RESTART), "")
_PROVEN = (RUN, MACHINE, UID, ROLE)  # covered by the proof, in addition to the container
_DIGEST = re.compile(r"[0-9a-f]{32}")
_NONCE_BYTES = 4  # several calls of a function share a run


def labels(grace_seconds: float, role: str = RUN_ROLE) -> dict[str, str]:
    """Return the labels for a container of this process.

    Args:
        grace_seconds: the time between SIGTERM and SIGKILL.
        role: `RUN_ROLE` or `HELPER_ROLE`.
    """
    return {
        RUN: uuid4().hex,
        UID: str(os.getuid()),
        PID: str(os.getpid()),
        STARTED: start_time("self"),
        BOOT: boot_id(),
        NAMESPACE: pid_namespace(),
        GRACE: str(grace_seconds),
        CREATED: str(int(time.time())),
        MACHINE: state.machine(),
        ROLE: role,
    }


def signed(spec: ContainerSpec) -> ContainerSpec:
    """Return the specification with a name and a proof of ownership.

    A label alone proves nothing: engines copy a container's labels into committed images, and an image's labels into
    containers. But a container with copied labels has another name or another image: an image whose labels contain a
    valid proof would have to contain its own digest.

    All labels are set, since containers inherit missing ones from the image.
    """
    run = spec.labels.get(RUN, "")
    name = spec.name or f"buildr-{short_id(run)}-{os.urandom(_NONCE_BYTES).hex()}"
    proof = _proof(spec.labels, name, spec.image)
    return replace(spec, name=name, labels={**_UNSET, **spec.labels, PROOF: proof})


def is_ours(found: ContainerState) -> bool:
    """Whether this user created a container on this machine; see `signed`."""
    proof = _proof(found.labels, found.name, found.image)
    return bool(proof) and found.labels.get(PROOF) == proof


def is_run(found: ContainerState) -> bool:
    """Whether a container of Buildr belongs to a run, and is not a helper for a build or for inspecting an image."""
    return found.labels.get(ROLE) == RUN_ROLE


def is_of_another_machine(found: ContainerState) -> bool:
    """Whether a container seems to belong to a run of this user on another machine, or from before the key was lost.

    This is not proven, since anybody can set labels.
    """
    made_by = found.labels.get(MACHINE, "")
    run = found.labels.get(RUN, "")
    return (
        is_run(found)
        and bool(_DIGEST.fullmatch(made_by))
        and made_by != state.machine()
        and bool(_DIGEST.fullmatch(run))
        and found.labels.get(UID) == str(os.getuid())
    )


def _proof(found: Mapping[str, str], name: str, image: str) -> str:
    if not name or not image:
        return ""
    return state.proof("container", *(found.get(label, "") for label in _PROVEN), name, image)


def is_left_behind(found: Mapping[str, str], *, running: bool = False) -> bool:
    """Whether a container's host process, a process of this user, is certainly gone.

    Args:
        found: the container's labels.
        running: whether it is running.

    Returns:
        ``False`` in case of doubt: see `host`.
    """
    return host(found, running=running) == "gone"


def host(found: Mapping[str, str], *, running: bool = False) -> Host:
    """Return the state of a container's host process.

    Args:
        found: the labels of a container that is ours.
        running: whether it runs.

    Returns:
        ``unknown`` in case of doubt: another user, another pid namespace, or labels that are not ours.
    """
    if found.get(UID) != str(os.getuid()) or not found.get(RUN):
        return "unknown"
    if not found.get(BOOT) or not found.get(PID, "").isdecimal() or not found.get(STARTED):
        return "unknown"
    if found[BOOT] != boot_id():
        # The process ended at the last shutdown, and so did the guest. A running guest belongs to another machine with
        # a copy of this one's id and key, or its engine is elsewhere.
        return "unknown" if running else "gone"
    if found.get(NAMESPACE) != pid_namespace():
        return "unknown"
    return "alive" if start_time(found[PID]) == found[STARTED] else "gone"
