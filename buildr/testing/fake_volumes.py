"""The volumes of a fake engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.engines.records import Volume
from buildr.errors import EngineError
from buildr.testing.engine import FakeEngine
from buildr.testing.images import carries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildr.engines.records import EngineInfo


class FakeVolumes(FakeEngine):
    """`buildr.engines.volumes.Volumes` of a fake engine."""

    def __init__(self, info: EngineInfo) -> None:
        super().__init__(info)
        self._installs = False
        self._volumes: dict[str, Volume] = {}

    def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """See `buildr.engines.volumes.Volumes.make_volume`."""
        self._called("make_volume")
        if not self._installs:
            message = "not implemented"
            raise EngineError("a fake engine makes no volumes", status=501, message=message)
        self._volumes.setdefault(name, Volume(name=name, labels=dict(labels), size=0))

    def volumes(self, labels: Mapping[str, str], *, sizes: bool = False) -> Sequence[Volume]:  # noqa: ARG002 - the protocol's signature
        """See `buildr.engines.volumes.Volumes.volumes`."""
        self._called("volumes")
        return [volume for volume in self._volumes.values() if carries(volume.labels, labels)]

    def remove_volume(self, name: str) -> None:
        """See `buildr.engines.volumes.Volumes.remove_volume`."""
        self._called("remove_volume")
        if any(
            mount.source == name
            for run in self.runs
            if not run.removed
            for mount in run.spec.mounts
        ):
            raise EngineError("a container uses the volume", status=409, message="in use")
        self._volumes.pop(name, None)
