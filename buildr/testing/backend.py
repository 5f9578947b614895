"""An engine that lives in memory: `FakeBackend`."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import threading
from signal import SIGKILL
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec.structs import replace

from buildr.engines.protocol import IN_MEMORY
from buildr.engines.records import ContainerState, EngineDetails, EngineInfo, Event, Image, Volume
from buildr.errors import ContainerError, EngineError, ImageNotFoundError
from buildr.testing.archive import below, pack, saved, unpack
from buildr.testing.build import configuration, read_build
from buildr.testing.call import call_in
from buildr.testing.container import FakeContainer, FakeExecution
from buildr.testing.images import ImageStore, carries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from buildr.engines.container_spec import ContainerSpec, PortBinding
    from buildr.engines.protocol import Attachment, Execution
    from buildr.engines.records import (
        BuildRequest,
        CommandSpec,
        Health,
        Layer,
        OnEvent,
        PushRequest,
    )
    from buildr.errors import BackendError
    from buildr.testing.build import FakeBuild
    from buildr.testing.container import Guest

Operation: TypeAlias = Literal[
    "append",
    "appends",
    "attach",
    "build",
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
    "start",
    "state",
    "tag",
    "volumes",
    "wait",
]
"""The methods of `buildr.engines.protocol.Backend`."""

_FIRST_PORT = 49152  # IANA's dynamic range, from which engines choose


def nothing(container: FakeContainer) -> int:
    """Be a guest that does nothing and succeeds; but a function that is called by itself really runs."""
    call = call_in(container)
    return call.run() if call else 0


class FakeBackend:
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
        builds: what was built, whether it went well or not.
        pulled: references that were pulled.
        pushed: what was pushed.
        command: what runs as one more command in a running container (`buildr exec`); may be changed at any time.
        executed: every such command, with its streams and signals, like a container of its own.
        runs: every container that was created, removed ones too.
        closed: whether the last user has closed it; it can be used again all the same.
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
        self.guest = guest
        self.command: Guest = nothing
        self.executed: list[FakeContainer] = []
        self.operations: list[Operation] = []
        self.builds: list[FakeBuild] = []
        self.pulled: list[str] = []
        self.pushed: list[PushRequest] = []
        self.runs: list[FakeContainer] = []
        self.closed = False
        self._info = EngineInfo(
            backend=name,
            version="1.0",
            rootless=rootless,
            remote=remote,
            endpoint=f"{IN_MEMORY}{name}",
            found="a fake for tests",
        )
        self._lock = threading.RLock()
        self._faults: list[tuple[Operation, BackendError, int | None]] = []
        self._installs = installs
        self._volumes: dict[str, Volume] = {}
        self._images = ImageStore()
        self._ids = itertools.count(1)
        self._ports = itertools.count(_FIRST_PORT)

    # For tests ------------------------------------------------------------------------------------

    def fail(self, operation: Operation, error: BackendError, *, times: int | None = 1) -> None:
        """Let an operation raise an error in the place of doing its work.

        Args:
            operation: the name of the method.
            error: what it raises.
            times: how often; ``None``: from now on.
        """
        self._faults.append((operation, error, times))

    def add_image(self, reference: str, image: Image | None = None) -> Image:
        """Store an image, as if it had been pulled.

        Args:
            reference: its name.
            image: its configuration, whose id may be empty; by default that of a Python image.
        """
        image = image or Image(id="", command=("python3",), environment=("LANG=C.UTF-8",))
        return self._images.name(self._images.add(image, reference).id, reference)

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

    # The protocol ---------------------------------------------------------------------------------

    @property
    def info(self) -> EngineInfo:
        """See `buildr.engines.protocol.Backend.info`."""
        return self._info

    def details(self) -> EngineDetails:
        """See `buildr.engines.protocol.Backend.details`."""
        self._called("details")
        return EngineDetails(storage_driver="memory", cgroup_version="2", user_ids=65537)

    def ping(self) -> None:
        """See `buildr.engines.protocol.Backend.ping`."""
        self._called("ping")

    def image(self, reference: str) -> Image | None:
        """See `buildr.engines.protocol.Backend.image`."""
        self._called("image")
        return self._images.find(reference)

    def images(self, labels: Mapping[str, str], *, unnamed: bool = False) -> Sequence[Image]:
        """See `buildr.engines.protocol.Backend.images`."""
        self._called("images")
        return [row for row in self._images.list(labels) if not (unnamed and row.tags)]

    def pull(self, reference: str, on_event: OnEvent) -> Image:
        """See `buildr.engines.protocol.Backend.pull`."""
        self._called("pull")
        self.pulled.append(reference)
        on_event(Event(kind="transfer", text=f"pulling {reference}"))
        return self.add_image(reference)

    def build(self, request: BuildRequest, on_event: OnEvent) -> str:
        """See `buildr.engines.protocol.Backend.build`."""
        build = read_build(request)
        self.builds.append(build)
        self._called("build")
        image = configuration(build.containerfile, self._images.find, on_event)
        image = replace(image, labels={**image.labels, **build.labels})
        # What was built before from the same files is the same image, unless no cache may serve.
        fresh = "" if build.cache else str(next(self._ids))
        digest = hashlib.sha256(build.archive).hexdigest()
        stored = self._images.add(image, f"{digest} {sorted(build.labels.items())} {fresh}")
        for tag in build.tags:
            self._images.name(stored.id, tag)
        return stored.id

    def appends(self) -> bool:
        """See `buildr.engines.protocol.Backend.appends`: everything is built, so that all files of it can be looked at."""
        self._called("appends")
        return False

    def append(self, image: str, layer: Layer, on_event: OnEvent) -> str:  # noqa: ARG002 - the protocol's signature
        """See `buildr.engines.protocol.Backend.append`."""
        self._called("append")
        raise EngineError("a fake engine takes no layers", status=501, message="not implemented")

    def left_builds(self) -> Sequence[str]:
        """See `buildr.engines.protocol.Backend.left_builds`: none."""
        self._called("left_builds")
        return ()

    def end_build(self, build: str) -> None:  # noqa: ARG002 - the protocol's signature
        """See `buildr.engines.protocol.Backend.end_build`."""
        self._called("end_build")

    def tag(self, image: str, reference: str) -> None:
        """See `buildr.engines.protocol.Backend.tag`."""
        self._called("tag")
        self._images.name(image, reference)

    def push(self, request: PushRequest, on_event: OnEvent) -> str:
        """See `buildr.engines.protocol.Backend.push`."""
        self._called("push")
        image = self._images.get(request.image)
        on_event(Event(kind="transfer", text=f"pushing {request.reference}"))
        self.pushed.append(request)
        return image.id

    def remove_image(self, image: str) -> None:
        """See `buildr.engines.protocol.Backend.remove_image`."""
        self._called("remove_image")
        found = self._images.find(image)
        if found is None:
            return
        if any(run.spec.image == found.id and not run.removed for run in self.runs):
            raise EngineError("a container uses the image", status=409, message="in use")
        self._images.remove(image)

    def save(self, image: str) -> Iterator[bytes]:
        """See `buildr.engines.protocol.Backend.save`; the archive has no layers."""
        self._called("save")
        return iter((saved(self._images.get(image)),))

    def load(self, archive: Iterable[bytes], reference: str) -> Image:
        """See `buildr.engines.protocol.Backend.load`; nothing of the archive is looked at."""
        self._called("load")
        for _ in archive:
            pass
        return self.add_image(reference)

    def create(self, spec: ContainerSpec) -> str:
        """See `buildr.engines.protocol.Backend.create`."""
        self._called("create")
        image = self._images.find(spec.image)
        if image is None:
            raise ImageNotFoundError(f"the image {spec.image} is not stored any more")
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

    def _bound(self, port: PortBinding) -> PortBinding:
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
        """See `buildr.engines.protocol.Backend.attach`."""
        self._called("attach")
        return self._container(container).attach()

    def start(self, container: str) -> None:
        """See `buildr.engines.protocol.Backend.start`."""
        self._called("start")
        self._container(container).start(self.guest)

    def wait(self, container: str) -> int:
        """See `buildr.engines.protocol.Backend.wait`."""
        self._called("wait")
        found = self._container(container)
        return found.wait() if found.started else 0  # as engines answer before the start

    def state(self, container: str) -> ContainerState | None:
        """See `buildr.engines.protocol.Backend.state`."""
        self._called("state")
        try:
            return _state(self._container(container))
        except EngineError:
            return None

    def health(self, container: str) -> Health:
        """See `buildr.engines.protocol.Backend.health`: what `FakeContainer.health` says, where there is a check."""
        self._called("health")
        try:
            found = self._container(container)
        except EngineError:
            return ""
        return found.health if found.spec.health else ""

    def kill(self, container: str, signal: int) -> None:
        """See `buildr.engines.protocol.Backend.kill`."""
        self._called("kill")
        with contextlib.suppress(EngineError):
            self._container(container).signals.send(signal)

    def processes(self, container: str) -> int:
        """See `buildr.engines.protocol.Backend.processes`: the first one, and the guest."""
        self._called("processes")
        try:
            return 2 if _state(self._container(container)).running else 0
        except EngineError:
            return 0

    def resize(self, container: str, *, rows: int, columns: int) -> None:
        """See `buildr.engines.protocol.Backend.resize`."""
        self._called("resize")
        with contextlib.suppress(EngineError):
            self._container(container).resize(rows, columns)

    def remove(self, container: str, *, volumes: bool = False) -> None:
        """See `buildr.engines.protocol.Backend.remove`."""
        self._called("remove")
        with contextlib.suppress(EngineError):
            found = self._container(container)
            found.removed = True
            found.volumes_removed = volumes
            found.signals.send(SIGKILL)

    def containers(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
        """See `buildr.engines.protocol.Backend.containers`."""
        self._called("containers")
        with self._lock:
            there = [run for run in self.runs if not run.removed]
        return [_state(run) for run in there if carries(run.spec.labels, labels)]

    def put_archive(self, container: str, path: str, tar: bytes) -> None:
        """See `buildr.engines.protocol.Backend.put_archive`; files only."""
        self._called("put_archive")
        self._container(container).files.update(unpack(tar, path))

    def get_archive(self, container: str, path: str) -> Iterator[bytes]:
        """See `buildr.engines.protocol.Backend.get_archive`; files only."""
        self._called("get_archive")
        files = below(self._container(container).files, path)
        if not files:
            raise EngineError(f"no such path: {path}", status=404, message="no such path")
        return iter((pack(files),))

    def logs(self, container: str, *, follow: bool = False, tail: int | None = None) -> Attachment:
        """See `buildr.engines.protocol.Backend.logs`; a piece that the guest has written counts as a line."""
        self._called("logs")
        return self._container(container).attach(from_start=True, follow=follow, tail=tail)

    def execute(self, container: str, spec: CommandSpec) -> Execution:
        """See `buildr.engines.protocol.Backend.execute`: what runs is the attribute ``command``."""
        self._called("execute")
        inside = self._container(container)
        if not inside.running:
            raise ContainerError("the command cannot be started: the container does not run")
        started = inside.beside(spec, hashlib.sha256(f"{next(self._ids)}".encode()).hexdigest())
        self.executed.append(started)
        execution = FakeExecution(started)
        started.start(self.command)
        return execution

    def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """See `buildr.engines.protocol.Backend.make_volume`."""
        self._called("make_volume")
        if not self._installs:
            message = "not implemented"
            raise EngineError("a fake engine makes no volumes", status=501, message=message)
        self._volumes.setdefault(name, Volume(name=name, labels=dict(labels), size=0))

    def volumes(self, labels: Mapping[str, str], *, sizes: bool = False) -> Sequence[Volume]:  # noqa: ARG002 - the protocol's signature
        """See `buildr.engines.protocol.Backend.volumes`."""
        self._called("volumes")
        return [volume for volume in self._volumes.values() if carries(volume.labels, labels)]

    def remove_volume(self, name: str) -> None:
        """See `buildr.engines.protocol.Backend.remove_volume`."""
        self._called("remove_volume")
        if any(
            mount.source == name
            for run in self.runs
            if not run.removed
            for mount in run.spec.mounts
        ):
            raise EngineError("a container uses the volume", status=409, message="in use")
        self._volumes.pop(name, None)

    def close(self) -> None:
        """See `buildr.engines.protocol.Backend.close`."""
        self._called("close")
        self.closed = True


def _state(container: FakeContainer) -> ContainerState:
    return ContainerState(
        id=container.id,
        status=container.status,
        running=container.running,
        started=container.started,
        exit_code=container.exit_code if container.started else None,
        labels=container.spec.labels,
        name=container.spec.name or f"fake_{container.id[:12]}",
        image=container.image.id,
        ports=container.ports if container.running else (),
    )
