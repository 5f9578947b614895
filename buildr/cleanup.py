"""Ending containers whose host process has gone: what the watchdog and the sweep share."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from buildr import identity
from buildr.errors import BackendError

if TYPE_CHECKING:
    from buildr.backend import Backend


def sweep(backend: Backend) -> int:
    """Remove this user's containers whose host processes are certainly gone; return how many.

    Raises:
        BackendError: the engine cannot list its containers. One that cannot be removed is left for the next time.
    """
    removed = 0
    for found in backend.containers({identity.UID: _own_uid()}):
        if identity.is_left_behind(found.labels):
            try:
                backend.remove(found.id)
            except BackendError:
                continue
            removed += 1
    return removed


def end_run(backend: Backend, run: str, grace_seconds: float) -> None:
    """End the containers of one run gracefully: SIGTERM, the grace, SIGKILL; then remove them.

    Raises:
        BackendError: the engine refuses or has gone.
    """
    for found in backend.containers({identity.RUN: run}):
        if found.running:
            backend.kill(found.id, signal.SIGTERM)
            # The removal kills; it comes after the grace, or as soon as the guest has ended.
            ended = threading.Event()
            waiter = threading.Thread(target=_wait, args=(backend, found.id, ended), daemon=True)
            waiter.start()
            ended.wait(grace_seconds)
        backend.remove(found.id)


def _wait(backend: Backend, container: str, ended: threading.Event) -> None:
    try:
        backend.wait(container)
    except BackendError:
        return  # the grace runs out then
    ended.set()


def _own_uid() -> str:
    import os

    return str(os.getuid())
