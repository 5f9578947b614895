"""Results of calls on an engine that does not share files with this process: a file in the container.

It is fetched as an archive after the guest's end, which takes 0.04 to 0.09 s (docs/decisions.md), with a size limit.
Other engines use FIFOs: `buildr.runners.pipes`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import uuid4

from buildr.errors import ContainerError, EngineError
from buildr.layout import APP

if TYPE_CHECKING:
    from buildr.engines.container_spec import ContainerSpec
    from buildr.engines.containers import Containers

_FOLDERS = ("/tmp", "/var/tmp", APP)  # noqa: S108 - in the container; one of them is not covered by a mount
_NOT_THERE = 404
# Podman 4.3 returns an empty archive with status 200 while it unmounts a container that has just ended.
_TRIES = 10
_PAUSE_SECONDS = 0.05
_AROUND = (
    20 << 10
)  # the overhead of an archive with one file: headers, and padding to a record of 10 KiB


class ResultFile:
    """The result of one call.

    Args:
        spec: the call's container.
        most: the maximum number of bytes to read.

    Attributes:
        place: its path in the container.
        data: what the guest wrote, up to the limit; empty if it wrote nothing.

    Raises:
        ContainerError: there is no place for it.
    """

    def __init__(self, spec: ContainerSpec, *, most: int) -> None:
        self.place = _place(spec)
        self.data = b""
        self._most = most

    def fetch(self, backend: Containers, container: str) -> None:
        """Fetch it, before the container is removed.

        Raises:
            EngineError: the engine does not send it.
        """
        for left in reversed(range(_TRIES)):
            self.data = self._member(backend, container)
            if self.data or not left:
                return
            time.sleep(_PAUSE_SECONDS)

    def _member(self, backend: Containers, container: str) -> bytes:
        from buildr.archive.chunks import closing
        from buildr.archive.reader import ArchiveError, TarReader

        archive = bytearray()
        try:
            with closing(backend.get_archive(container, self.place)) as chunks:
                for chunk in chunks:
                    archive += chunk
                    if len(archive) > self._most + _AROUND:
                        return b"."  # too large: treated as no answer
        except EngineError as error:
            if error.status != _NOT_THERE:
                raise
            return b""
        try:
            reader = TarReader((bytes(archive),))
            found = next(iter(reader), None)
            content = reader.read(self._most) if found is not None and found.is_file else None
        except ArchiveError:
            return b""
        return content or b""


def _place(spec: ContainerSpec) -> str:
    targets = [mount.target for mount in spec.mounts] + [item.target for item in spec.tmpfs]
    covered = [f"{target.rstrip('/')}/" for target in targets]
    for folder in _FOLDERS:
        if not spec.hardened and not any(f"{folder}/".startswith(target) for target in covered):
            return f"{folder}/.buildr-result-{uuid4().hex}"
    raise ContainerError(
        "there is no place for a result in the container: the engine runs on another machine,"
        " and the container's root is read-only or covered by mounts",
        hint=f"Leave hardened out, or mount at other places than /tmp, /var/tmp and {APP}.",
    )
