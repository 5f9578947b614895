"""The engine under test, and helpers to use it."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr import __version__, labels
from buildr.engines.container_spec import ContainerSpec
from buildr.engines.records import BuildRequest
from buildr.engines.streams import STDERR, STDOUT
from tests.engine.harness import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildr.engines.protocol import Backend
    from buildr.engines.records import OnEvent
    from buildr.engines.streams import Attachment

LABEL = "buildr.conformance"


class Ended:
    """The output of a container, and its exit status."""

    def __init__(self, output: bytes, errors: bytes, status: int) -> None:
        self.output = output
        self.errors = errors
        self.status = status


class Judged(Engine):
    """The engine of ``--backend``, for the user who runs the tests, used from this process and by scripts.

    Attributes:
        connection: the backend, connected to the engine.
    """

    def __init__(self, name: str, base_image: str, connection: Backend) -> None:
        found = {
            "backend": name,
            "user": None,
            "uid": os.getuid(),
            "home": os.path.expanduser("~"),
            "environ": dict(os.environ),
        }
        super().__init__(name, found, base_image)
        self.connection = connection

    def images(self, repository: str) -> set[tuple[str, str]]:
        """Return id and name of each image of a repository that this version of Buildr built."""
        found = self.connection.images({labels.VERSION: __version__})
        return {
            (image.id, name)
            for image in found
            for name in image.tags
            if name.startswith(f"{repository}:")
        }

    def remove_images(self, repository: str) -> None:
        """Remove all images of a repository that this version of Buildr built."""
        for _, name in sorted(self.images(repository)):
            self.connection.remove_image(name)

    def containers(self) -> set[str]:
        """Return the ids of the containers of runs, including exited ones."""
        return {found.id for found in self.connection.containers({labels.RUN: ""})}


def collect(streams: Attachment) -> tuple[bytes, bytes]:
    """Read both outputs to their ends."""
    found = {STDOUT: bytearray(), STDERR: bytearray()}
    while pieces := streams.read():
        for stream, piece in pieces:
            found[stream] += piece
    return bytes(found[STDOUT]), bytes(found[STDERR])


class Containers:
    """The containers of one test, which are removed when it ends.

    Args:
        backend: the backend that creates them.
        image: their default image.
    """

    def __init__(self, backend: Backend, image: str) -> None:
        self.backend = backend
        self.image = image
        self._made: list[str] = []

    def create(self, *command: str, spec: ContainerSpec | None = None) -> str:
        """Create a container; ``spec`` has further fields of its specification."""
        spec = spec or ContainerSpec(image=self.image)
        spec = replace(spec, command=command, labels={LABEL: "1", **spec.labels})
        made = self.backend.create(spec)
        self._made.append(made)
        return made

    def start(self, *command: str, spec: ContainerSpec | None = None) -> tuple[str, Attachment]:
        """Create, attach to and start a container."""
        made = self.create(*command, spec=spec)
        streams = self.backend.attach(made, tty=spec is not None and spec.tty)
        self.backend.start(made)
        return made, streams

    def refuse(self, made: str) -> None:
        """Start a container that cannot start. Some engines report that at the attach."""
        self.backend.attach(made, tty=False).close()
        self.backend.start(made)

    def run(self, *command: str, stdin: bytes = b"", spec: ContainerSpec | None = None) -> Ended:
        """Run a container to its end."""
        made, streams = self.start(*command, spec=spec)
        if stdin:
            streams.write(stdin)
        streams.close_write()
        output, errors = collect(streams)
        streams.close()
        return Ended(output, errors, self.backend.wait(made))

    def spec(self, **options: object) -> ContainerSpec:
        """Return a specification of a container from `image`."""
        return ContainerSpec(image=self.image, **options)  # type: ignore[arg-type] # the engine checks the values

    def remove(self) -> None:
        """Remove all containers."""
        for made in self._made:
            self.backend.remove(made)


def archive(files: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
    """Return a tar archive of members by path: contents of files, or other members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            head = tarfile.TarInfo(path)
            head.size, head.mode = len(content), 0o644
            tar.addfile(head, io.BytesIO(content))
    return stream.getvalue()


def unpacked(data: Iterator[bytes]) -> dict[str, tarfile.TarInfo | bytes]:
    """Return the members of a tar archive by path: contents of files, or other members."""
    found: dict[str, tarfile.TarInfo | bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(b"".join(data))) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            found[member.name] = file.read() if file else member
    return found


def build(
    backend: Backend,
    containerfile: str,
    files: Mapping[str, bytes | tarfile.TarInfo] | None = None,
    *,
    on_event: OnEvent = lambda _: None,
    tags: tuple[str, ...] = (),
    image_labels: Mapping[str, str] | None = None,
    cache: bool = True,
) -> str:
    """Build an image from a Containerfile and a context; return its id."""
    context = archive({"Containerfile": containerfile.encode(), **(files or {})})
    return backend.build(
        BuildRequest(
            context=[context],
            containerfile="Containerfile",
            labels={LABEL: "1", **(image_labels or {})},
            tags=tags,
            cache=cache,
        ),
        on_event,
    )
