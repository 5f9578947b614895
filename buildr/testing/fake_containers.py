"""The containers of a fake engine."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import sys
from signal import SIGKILL, SIGTERM
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.engines.records import ContainerState, short_id
from buildr.errors import ContainerError, EngineError, ImageNotFoundError
from buildr.testing.archive import below, pack, unpack
from buildr.testing.container import FakeContainer, FakeExecution, call_in
from buildr.testing.engine import FakeEngine
from buildr.testing.images import carries

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from buildr.engines.container_spec import ContainerSpec, MountSpec, Port
    from buildr.engines.records import CommandSpec, EngineInfo, Health
    from buildr.engines.streams import Attachment, Execution
    from buildr.testing.container import Guest

_FIRST_PORT = 49152  # IANA's dynamic range, from which engines choose


def nothing(container: FakeContainer) -> int:
    """Be a guest that does nothing and succeeds; but a function that is called by itself really runs."""
    status = 0
    while call := call_in(container):
        status = call.run()
        if call.ends:
            return status
    return 0


class FakeContainers(FakeEngine):
    """`buildr.engines.containers.Containers` of a fake engine: guests run in threads."""

    def __init__(self, info: EngineInfo) -> None:
        super().__init__(info)
        self._guest: Guest = nothing
        self.command: Guest = nothing
        self.executed: list[FakeContainer] = []
        self.log_times: list[tuple[float | None, bool]] = []
        self._ports = itertools.count(_FIRST_PORT)

    @property
    def guest(self) -> Guest:
        """What runs in each container that is started from now on."""
        return self._guest

    @guest.setter
    def guest(self, guest: Guest) -> None:
        self._guest = guest
        # The next call is to get it, rather than a container that waits for further calls.
        if (pools := sys.modules.get("buildr.call.pools")) is not None:
            pools.end_idle()

    def create(self, spec: ContainerSpec) -> str:
        """See `buildr.engines.containers.Containers.create`."""
        self._called("create")
        image = self._images.find(spec.image)
        if image is None:
            raise ImageNotFoundError(f"the image {spec.image} is no longer stored")
        with self._lock:
            there = [run for run in self.runs if not run.removed]
            if spec.name and any(run.spec.name == spec.name for run in there):
                raise ContainerError(
                    f"the container cannot be created: the name {spec.name} is taken"
                )
            number = next(self._ids)
            identity = hashlib.sha256(f"{self._info.backend} {number}".encode()).hexdigest()
            ports = tuple(map(self._bound, spec.ports))
            container = FakeContainer(identity, spec, image, ports)
            self.runs.append(container)
        return identity

    def _bound(self, port: Port) -> Port:
        return port if port.host else replace(port, host=next(self._ports))

    def _container(self, container: str) -> FakeContainer:
        with self._lock:
            for run in self.runs:
                if run.id == container and not run.removed:
                    return run
        raise EngineError(
            f"no such container: {container}", status=404, message="no such container"
        )

    def attach(self, container: str, *, tty: bool) -> Attachment:  # noqa: ARG002 - the protocol's signature
        """See `buildr.engines.containers.Containers.attach`."""
        self._called("attach")
        return self._container(container).attach()

    def start(self, container: str) -> None:
        """See `buildr.engines.containers.Containers.start`."""
        self._called("start")
        self._container(container).start(self.guest)

    def wait(self, container: str) -> int:
        """See `buildr.engines.containers.Containers.wait`."""
        self._called("wait")
        found = self._container(container)
        return found.wait() if found.started else 0  # as engines answer before the start

    def state(self, container: str) -> ContainerState | None:
        """See `buildr.engines.containers.Containers.state`."""
        self._called("state")
        try:
            return _state(self._container(container))
        except EngineError:
            return None

    def health(self, container: str) -> Health:
        """See `buildr.engines.containers.Containers.health`: what `FakeContainer.health` says, where there is a check."""
        self._called("health")
        try:
            found = self._container(container)
        except EngineError:
            return ""
        return found.health if found.spec.health else ""

    def kill(self, container: str, signal: int) -> None:
        """See `buildr.engines.containers.Containers.kill`."""
        self._called("kill")
        with contextlib.suppress(EngineError):
            self._container(container).signals.send(signal)

    def stop(self, container: str, grace_seconds: float) -> None:
        """See `buildr.engines.containers.Containers.stop`."""
        self._called("stop")
        with contextlib.suppress(EngineError):
            found = self._container(container)
            found.signals.send(SIGTERM)
            if not found.ends_within(grace_seconds):
                found.signals.send(SIGKILL)

    def processes(self, container: str) -> int:
        """See `buildr.engines.containers.Containers.processes`: the first one, and the guest."""
        self._called("processes")
        try:
            return 2 if _state(self._container(container)).running else 0
        except EngineError:
            return 0

    def resize(self, container: str, *, rows: int, columns: int) -> None:
        """See `buildr.engines.containers.Containers.resize`."""
        self._called("resize")
        with contextlib.suppress(EngineError):
            self._container(container).resize(rows, columns)

    def remove(self, container: str, *, volumes: bool = False) -> None:
        """See `buildr.engines.containers.Containers.remove`."""
        self._called("remove")
        with contextlib.suppress(EngineError):
            found = self._container(container)
            found.removed = True
            found.volumes_removed = volumes
            found.signals.send(SIGKILL)

    def containers(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
        """See `buildr.engines.containers.Containers.containers`."""
        self._called("containers")
        with self._lock:
            there = [run for run in self.runs if not run.removed]
        return [_state(run) for run in there if carries(run.spec.labels, labels)]

    def put_archive(self, container: str, path: str, tar: bytes) -> None:
        """See `buildr.engines.containers.Containers.put_archive`; files only."""
        self._called("put_archive")
        self._container(container).files.update(unpack(tar, path))

    def get_archive(self, container: str, path: str) -> Iterator[bytes]:
        """See `buildr.engines.containers.Containers.get_archive`; files only."""
        self._called("get_archive")
        files = below(self._container(container).files, path)
        if not files:
            raise EngineError(f"no such path: {path}", status=404, message="no such path")
        return iter((pack(files),))

    def changed(self, container: str) -> Sequence[str]:
        """See `buildr.engines.containers.Containers.changed`; files only."""
        self._called("changed")
        return tuple(self._container(container).files)

    def shows(self, container: str, mount: MountSpec) -> bool:  # noqa: ARG002 - the protocol's signature
        """See `buildr.engines.containers.Containers.shows`: an engine on another machine has something else."""
        self._called("shows")
        return not self._info.remote

    def logs(
        self,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
    ) -> Attachment:
        """See `buildr.engines.containers.Containers.logs`; a piece that the guest has written counts as a line, and has no time."""
        self.log_times.append((since, timestamps))
        self._called("logs")
        return self._container(container).attach(from_start=True, follow=follow, tail=tail)

    def execute(self, container: str, spec: CommandSpec) -> Execution:
        """See `buildr.engines.containers.Containers.execute`: what runs is the attribute ``command``."""
        self._called("execute")
        inside = self._container(container)
        if not inside.running:
            raise ContainerError("the command cannot be started: the container does not run")
        started = inside.beside(spec, hashlib.sha256(f"{next(self._ids)}".encode()).hexdigest())
        self.executed.append(started)
        execution = FakeExecution(started)
        started.start(self.command)
        return execution


def _state(container: FakeContainer) -> ContainerState:
    return ContainerState(
        id=container.id,
        status=container.status,
        running=container.running,
        started=container.started,
        exit_code=container.exit_code if container.started else None,
        labels=container.spec.labels,
        name=container.spec.name or f"fake_{short_id(container.id)}",
        image=container.image.id,
        ports=container.ports if container.running else (),
    )
