"""Checks that a guest sees the intended files in mounts, since a remote engine may have others at the same path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.errors import ContainerError
from buildr.host.temporary import PREFIX

if TYPE_CHECKING:
    from buildr.engines.container_spec import ContainerSpec
    from buildr.engines.containers import Containers

NOT_SEEN_HINT = "Let the files travel with the image (additional_files in package), use a named volume, or an engine on this machine."
"""Advice for an engine that cannot mount the files of this machine."""


def check_mounts(backend: Containers, container: str, spec: ContainerSpec) -> None:
    """Check that a created container shows the files of this machine.

    Raises:
        ContainerError: the engine has something else at the source of a bind mount.
        BackendError: the engine cannot be asked.
    """
    for mount in spec.mounts:
        # A file that was just created does not exist on another machine, and the engine reports that itself.
        is_checked = mount.kind == "bind" and PREFIX not in mount.source
        if is_checked and not backend.shows(container, mount):
            raise ContainerError(
                f"{mount.source} cannot be mounted: the engine at {backend.info.endpoint} has something else there",
                hint=f"It runs on another machine or in a container of its own. {NOT_SEEN_HINT}",
            )
