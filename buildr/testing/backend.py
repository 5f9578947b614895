"""An engine in memory: `FakeBackend`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.engines.engine import IN_MEMORY
from buildr.engines.records import Builder, EngineInfo
from buildr.testing.fake_containers import FakeContainers, nothing
from buildr.testing.fake_images import FakeImages
from buildr.testing.fake_volumes import FakeVolumes

if TYPE_CHECKING:
    from buildr.errors import BackendError
    from buildr.testing.container import Guest
    from buildr.testing.engine import Operation


class FakeBackend(FakeImages, FakeContainers, FakeVolumes):
    """A `buildr.engines.protocol.Backend` without an engine. Every registry has every image; nothing is really run.

    Args:
        guest: what runs in each container; the attribute may be changed at any time. By default a script does nothing,
            and a function that is called by ``remote`` or ``map`` runs in this process.
        name: of the backend.
        rootless: whether the engine counts as rootless.
        remote: whether it counts as one that sees another file system.
        installs: whether it makes the volume for the cache of wheels, so that dependencies are installed in a container, for
            which the guest runs, too; otherwise a build seems to install them, without doing anything.

    Attributes:
        operations: the names of the methods that were called, in order.
        builds: what was built, successfully or not.
        pulled: references that were pulled.
        pushed: what was pushed.
        command: what runs as one more command in a running container (`buildr exec`); may be changed at any time.
        executed: every such command, with its streams and signals, like a container of its own.
        log_times: since when logs were asked for, in seconds since the epoch or ``None``, and whether with timestamps.
        runs: every container that was created, removed ones too.
        closed: whether the last user has closed it; it can be used again nevertheless.
    """

    def __init__(
        self,
        guest: Guest = nothing,
        *,
        name: str = "fake",
        rootless: bool = True,
        remote: bool = False,
        installs: bool = False,
    ) -> None:
        super().__init__(
            EngineInfo(
                backend=name,
                version="1.0",
                rootless=rootless,
                remote=remote,
                endpoint=f"{IN_MEMORY}{name}",
                found="a fake for tests",
                command=name,
                shared=remote or not rootless,
                builder=Builder(all_stages=True),
            )
        )
        self.guest = guest
        self._installs = installs

    def fail(self, operation: Operation, error: BackendError, *, times: int | None = 1) -> None:
        """Make an operation raise an error.

        Args:
            operation: the name of the method.
            error: the error.
            times: the number of times; ``None``: permanently.
        """
        self._faults.append((operation, error, times))
