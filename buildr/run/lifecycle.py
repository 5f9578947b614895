"""Creates and removes containers, so that the watchdog always knows what to remove."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.engines.ownership import signed
from buildr.engines.records import short_id
from buildr.errors import BackendError, EngineLostError, EngineUnavailableError
from buildr.host import console
from buildr.run.mounts import check_mounts

if TYPE_CHECKING:
    from buildr.engines.container_spec import ContainerSpec
    from buildr.engines.containers import Containers
    from buildr.host.signals import Signals
    from buildr.run.watchdog import Watchdog


def create(backend: Containers, spec: ContainerSpec, watchdog: Watchdog | None) -> str:
    """Create a container and return its id; notify the watchdog before it may exist.

    Raises:
        BackendError: see `buildr.engines.containers.Containers.create`.
        ContainerError: a mount would show other files than this process sees.
    """
    spec = signed(spec)
    container = _create(backend, spec, watchdog)
    try:
        check_mounts(backend, container, spec)
    except BaseException:
        remove(backend, container, watchdog)
        raise
    return container


def _create(backend: Containers, spec: ContainerSpec, watchdog: Watchdog | None) -> str:
    if watchdog is None:
        return backend.create(spec)
    watchdog.asked()
    try:
        container = backend.create(spec)
    except BaseException as error:
        lost = isinstance(error, EngineLostError | EngineUnavailableError)
        if isinstance(error, BackendError) and not lost:
            watchdog.refused()
        else:
            watchdog.take_over()  # the engine may have created it, or may still create it
        raise
    watchdog.created()
    return container


def remove_or_leave(
    backend: Containers, container: str, signals: Signals, watchdog: Watchdog | None
) -> None:
    """Remove the container, or leave that to the watchdog if the user does not want to wait."""
    if signals.forced and watchdog is not None and watchdog.take_over(at_once=True):
        return
    remove(backend, container, watchdog)


def remove(backend: Containers, container: str, watchdog: Watchdog | None) -> None:
    """Remove the container; if the engine is gone, the watchdog or the next run does (see `buildr.run.cleanup`)."""
    try:
        backend.remove(container, volumes=True)
    except BackendError as error:
        console.warn(f"the container {short_id(container)} is left behind: {error.what}")
        if watchdog is not None:
            watchdog.take_over()
    except BaseException:  # a signal, while they are not collected
        if watchdog is not None:
            watchdog.take_over()
        raise
    else:
        if watchdog is not None:
            watchdog.removed()
