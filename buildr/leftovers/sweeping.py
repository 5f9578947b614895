"""Clearing up beside a run: what earlier runs left behind, and images that are old now."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from buildr.errors import BackendError
from buildr.host.signals import block_signals
from buildr.image.build_lock import killed
from buildr.image.ensure import collect
from buildr.run.cleanup import sweep

if TYPE_CHECKING:
    from typing import Self

    from buildr.engines.protocol import Backend
    from buildr.image.ensure import Ready
    from buildr.plan.project import Project

_SECONDS = 5.0  # how long the end of a run waits for it


class Sweep:
    """Does it while the guest runs; a context manager.

    Args:
        backend: the engine.
        project: whose old images go.
        ready: what the run is made of.
    """

    def __init__(self, backend: Backend, project: Project, ready: Ready) -> None:
        self._backend = backend
        self._project = project
        self._ready = ready
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._thread is not None and kind is None:  # a failed run has waited long enough
            self._thread.join(_SECONDS)

    def begin(self) -> None:
        """Begin, once the guest runs; more than once is fine."""
        if self._thread is not None:
            return
        self._thread = threading.Thread(target=self._sweep, name="buildr-sweep", daemon=True)
        self._thread.start()

    def _sweep(self) -> None:
        block_signals()
        with contextlib.suppress(BackendError):  # the guest matters more; the next run tries again
            sweep(self._backend)
        from buildr.host import temporary

        temporary.sweep()
        with contextlib.suppress(BackendError):
            if killed(self._backend.info.backend):
                from buildr.leftovers.prune import sweep_images

                sweep_images(self._backend)
        if self._ready.is_new:
            collect(self._backend, self._project, self._ready.image)
