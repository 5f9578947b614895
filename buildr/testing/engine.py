"""What the parts of a fake engine share: its identity, the calls so far, and the failures to come."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Literal, TypeAlias

from buildr.engines.records import EngineDetails, EngineInfo
from buildr.testing.images import ImageStore

if TYPE_CHECKING:
    from buildr.errors import BackendError
    from buildr.testing.container import FakeContainer

Operation: TypeAlias = Literal[
    "add_referrer",
    "append",
    "appends",
    "attach",
    "build",
    "changed",
    "close",
    "containers",
    "create",
    "details",
    "end_build",
    "execute",
    "get_archive",
    "health",
    "image",
    "images",
    "kill",
    "left_builds",
    "load",
    "logs",
    "make_volume",
    "ping",
    "processes",
    "pull",
    "push",
    "put_archive",
    "remove",
    "remove_image",
    "remove_volume",
    "resize",
    "save",
    "shows",
    "start",
    "state",
    "stop",
    "tag",
    "volumes",
    "wait",
]
"""The methods of `buildr.engines.protocol.Backend`."""


class FakeEngine:
    """A `buildr.engines.engine.Engine` without an engine.

    Args:
        info: what it reports about itself.
    """

    def __init__(self, info: EngineInfo) -> None:
        self.operations: list[Operation] = []
        self.runs: list[FakeContainer] = []
        self.closed = False
        self._info = info
        self._lock = threading.RLock()
        self._faults: list[tuple[Operation, BackendError, int | None]] = []
        self._images = ImageStore()
        self._ids = itertools.count(1)

    @property
    def info(self) -> EngineInfo:
        """See `buildr.engines.engine.Engine.info`."""
        return self._info

    def details(self) -> EngineDetails:
        """See `buildr.engines.engine.Engine.details`."""
        self._called("details")
        return EngineDetails(storage_driver="memory", cgroup_version="2", user_ids=65537)

    def ping(self) -> None:
        """See `buildr.engines.engine.Engine.ping`."""
        self._called("ping")

    def close(self) -> None:
        """See `buildr.engines.engine.Engine.close`."""
        self._called("close")
        self.closed = True

    def _called(self, operation: Operation) -> None:
        with self._lock:
            self.operations.append(operation)
            for index, (name, error, times) in enumerate(self._faults):
                if name != operation:
                    continue
                if times is not None and times <= 1:
                    del self._faults[index]
                elif times is not None:
                    self._faults[index] = (name, error, times - 1)
                raise error
