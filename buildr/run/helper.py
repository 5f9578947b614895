"""Helper containers, in which nothing of the user's runs, for builds and for the inspection of images."""

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
def helper(backend: Containers, image: str, *, entrypoint: tuple[str, ...] = ()) -> Iterator[str]:
    """Create a container without starting it, and remove it at the end; housekeeping removes those of killed processes.

    Args:
        backend: the engine.
        image: the image's id.
        entrypoint: what runs in place of the image's, for a caller that starts it.

    Yields:
        The container's id.

    Raises:
        BackendError: it cannot be created or removed.
    """
    own = ownership.labels(0, labels.HELPER_ROLE)
    # An image without a command needs one, which is never run.
    spec = ContainerSpec(image=image, entrypoint=entrypoint, command=("true",), labels=own)
    spec = ownership.signed(spec)
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
