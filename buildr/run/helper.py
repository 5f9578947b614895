"""Helper containers that are never started, for builds and for the inspection of images."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from buildr import labels
from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec
from buildr.host.marks import Mark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.engines.containers import Containers


@contextlib.contextmanager
def helper(backend: Containers, image: str) -> Iterator[str]:
    """Create a container that is never started, and remove it at the end; housekeeping removes those of killed processes.

    Args:
        backend: the engine.
        image: the image's id.

    Yields:
        The container's id.

    Raises:
        BackendError: it cannot be created or removed.
    """
    own = ownership.labels(0, labels.HELPER_ROLE)
    # An image without a command needs one, which is never run.
    spec = ownership.signed(ContainerSpec(image=image, command=("true",), labels=own))
    mark = Mark("run", backend.info.backend, own[labels.RUN])
    removed = False
    try:
        container = backend.create(spec)
        try:
            yield container
        finally:
            backend.remove(container, volumes=True)
            removed = True
    finally:
        mark.remove() if removed else mark.close()  # it may still exist
