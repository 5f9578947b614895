"""Ends containers, and removes leftovers of host processes.

Shared by the watchdog, the sweep of the next run, ``buildr stop`` and ``buildr prune``.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

from buildr import labels
from buildr.engines import ownership
from buildr.errors import BackendError
from buildr.run.keep import is_kept
from buildr.run.log_followers import let_finish

if TYPE_CHECKING:
    from buildr.engines.protocol import Backend
    from buildr.engines.records import ContainerState

_NOT_STARTED = ("configured", "created", "initialized")  # the engines' terms
_ENDED = ("dead", "exited", "stopped")
_FOR_GOOD = ("dead", "exited")
"""States of a container with a restart policy: Podman lists one that has ended as ``stopped`` until it has decided
whether to start it again.
"""


def sweep(backend: Backend) -> int:
    """Remove this user's containers whose host processes are certainly gone; return how many.

    Raises:
        BackendError: the engine cannot list its containers. A failed removal is retried by the next sweep.
    """
    removed = 0
    for found in left_behind(backend):
        try:
            backend.remove(found.id, volumes=True)
        except BackendError:
            continue
        removed += 1
    return removed


def left_behind(backend: Backend) -> list[ContainerState]:
    """Return this user's containers whose host processes are certainly gone, except those that were kept or detached.

    Raises:
        BackendError: the engine cannot list or inspect its containers.
    """
    return [
        found
        for found in _ours(backend)
        if ownership.is_left_behind(found.labels, running=found.running)
        and not is_detached(found)
        and not is_kept(backend, found)
        and not _is_started_again(backend, found)
    ]


def _ours(backend: Backend, *flags: str) -> list[ContainerState]:
    """Return the containers that are provably this user's, on this machine.

    Args:
        backend: the engine.
        flags: labels that must be set.

    Raises:
        BackendError: the engine cannot list its containers.
    """
    wanted = {labels.UID: str(os.getuid()), **dict.fromkeys(flags, labels.SET)}
    return [*filter(ownership.is_ours, backend.containers(wanted))]


def _is_started_again(backend: Backend, found: ContainerState) -> bool:
    """Whether a container only looks as if it had never been started, because its engine is restarting it."""
    if not found.labels.get(labels.RESTART) or found.status not in _NOT_STARTED:
        return False
    state = backend.state(found.id)
    return state is not None and state.started is True


def is_detached(found: ContainerState) -> bool:
    """Whether a container no longer needs a host process: see `buildr.run.detach`."""
    return bool(found.labels.get(labels.DETACH)) and found.status not in _NOT_STARTED


def has_ended(found: ContainerState) -> bool:
    """Whether the guest of a container has ended, and is not about to be restarted."""
    return found.status in (_FOR_GOOD if found.labels.get(labels.RESTART) else _ENDED)


def detached_and_ended(backend: Backend) -> list[ContainerState]:
    """Return this user's detached containers whose guests have ended.

    Raises:
        BackendError: the engine cannot list its containers.
    """
    return [
        found for found in _ours(backend, labels.DETACH) if is_detached(found) and has_ended(found)
    ]


def kept(backend: Backend) -> list[ContainerState]:
    """Return this user's containers that were kept for inspection.

    Raises:
        BackendError: the engine cannot list or inspect its containers.
    """
    return [found for found in _ours(backend, labels.KEEP) if is_kept(backend, found)]


def end_run(backend: Backend, run: str, grace_seconds: float) -> set[str]:
    """End the containers of a run gracefully: SIGTERM, the grace period, SIGKILL. Then remove them, unless they were kept before.

    Parallel calls of a function have several containers, which share one grace period.

    Returns:
        Their ids.

    Raises:
        BackendError: the engine refuses or is gone; other containers have been removed.
    """
    containers = [*filter(ownership.is_ours, backend.containers({labels.RUN: run}))]
    failures: list[BackendError] = []

    def end(found: ContainerState) -> None:
        try:
            if not is_kept(backend, found):
                if ask_to_end(backend, found, grace_seconds):
                    let_finish(run)
                # The removal kills the guest after the grace period, or follows its end.
                backend.remove(found.id, volumes=True)
        except BackendError as error:
            failures.append(error)

    threads = [threading.Thread(target=end, args=(found,)) for found in containers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return {found.id for found in containers}


def ask_to_end(backend: Backend, found: ContainerState, grace_seconds: float) -> bool:
    """Send SIGTERM to a container and wait; return whether it has ended.

    Raises:
        BackendError: the engine refuses or is gone.
    """
    if found.labels.get(labels.RESTART):
        # Podman restarts a container that ended by `kill`, and then kills it at the removal without a grace period.
        backend.stop(found.id, grace_seconds)
        return True
    if not found.running:
        return True
    ended = threading.Event()
    if grace_seconds > 0:
        backend.kill(found.id, signal.SIGTERM)
        waiter = threading.Thread(target=_wait, args=(backend, found.id, ended), daemon=True)
        waiter.start()
    return ended.wait(grace_seconds)


def _wait(backend: Backend, container: str, ended: threading.Event) -> None:
    try:
        backend.wait(container)
    except BackendError:
        try:
            if backend.state(container) is not None:
                return  # the grace period ends
        except BackendError:
            return
    ended.set()  # or it has been removed, for example by its own host process
