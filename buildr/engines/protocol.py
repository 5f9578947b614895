"""The interface between Buildr and an engine: one narrow protocol, frozen records on both sides.

A backend is the adapter to one engine. It is found through the entry-point group ``buildr.backends``: the
entry point names a function ``connect(Target) -> Backend``, which reaches the engine or raises one of the
errors below `buildr.errors.BackendError`. No exception and no object of an engine's own client passes this line.

Sizes are bytes and durations seconds everywhere. An image id is ``sha256:`` and 64 hexadecimal digits;
a container id is 64 hexadecimal digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from buildr.engines.records import Target

if TYPE_CHECKING:
    from buildr.engines.container_spec import ContainerSpec
    from buildr.engines.records import (
        BuildRequest,
        CommandSpec,
        ContainerState,
        EngineDetails,
        EngineInfo,
        Health,
        Image,
        Layer,
        OnEvent,
        PushRequest,
        Volume,
    )

STDIN, STDOUT, STDERR = 0, 1, 2

IN_MEMORY = "memory:"
"""Begins the endpoints of engines that live in this process, as those for tests do: no other process can reach them."""

Output: TypeAlias = Sequence[tuple[int, memoryview]]
"""Pieces of output, each with its stream: `STDOUT` or `STDERR`."""


class Attachment(Protocol):
    """The three standard streams of a container, attached before its start.

    `read` belongs to one thread and the writing methods to one other.
    """

    def read(self) -> Output:
        """Wait for output.

        Returns:
            Pieces in the order in which they came, valid until the next call; empty at the end of the streams.

        Raises:
            EngineLostError: the stream broke off inside a frame, or is none.
        """
        ...

    def write(self, data: bytes | memoryview) -> None:
        """Send standard input.

        Raises:
            EngineLostError: nobody reads it any more.
        """
        ...

    def close_write(self) -> None:
        """End the guest's standard input; its output goes on."""
        ...

    def close(self) -> None:
        """Let go; the container is not touched. May be called twice, and from any thread to end a `read`."""
        ...


class Execution(Attachment, Protocol):
    """A command that has been started in a running container: its streams, and what is left to know of it."""

    def status(self) -> int | None:
        """Return the exit status, 128 + n when signal n killed it; ``None`` until it has ended.

        Raises:
            EngineError: the engine does not know it any more, as its container has gone.
        """
        ...

    def kill(self, signal: int) -> None:
        """Send a signal to the command; one that has ended already is fine. SIGKILL also takes what it has started."""
        ...

    def resize(self, *, rows: int, columns: int) -> None:
        """Tell the command's terminal its size; one that has ended already is fine."""
        ...


class Backend(Protocol):
    """An engine, reached.

    Every method may raise `EngineLostError` (the connection broke), `EngineUnavailableError` (no answer) and
    `EngineError` (the engine refused). Methods may be called from several threads.
    """

    @property
    def info(self) -> EngineInfo:
        """What the engine said of itself when it was reached; costs no request."""
        ...

    def details(self) -> EngineDetails:
        """Ask for what `doctor` shows."""
        ...

    def ping(self) -> None:
        """Return when the engine answers."""
        ...

    # Images ---------------------------------------------------------------------------------------

    def image(self, reference: str) -> Image | None:
        """Look up a stored image by reference or id; ``None`` when it is not stored."""
        ...

    def images(self, labels: Mapping[str, str], *, unnamed: bool = False) -> Sequence[Image]:
        """List stored images that carry all these labels, newest first (without their configuration).

        Ask for no more than is needed: Podman takes up to a tenth of a second for each image that it lists.

        Args:
            labels: each with its value; an empty one matches any.
            unnamed: only those that have no name and that no other image is made from.
        """
        ...

    def pull(self, reference: str, on_event: OnEvent) -> Image:
        """Fetch an image from its registry.

        Raises:
            ImageNotFoundError: the registry does not have it, refuses, or cannot be reached.
        """
        ...

    def build(self, request: BuildRequest, on_event: OnEvent) -> str:
        """Build an image; return its id.

        Raises:
            BuildError: a step failed; nothing of the build is left behind but the cache.
        """
        ...

    def appends(self) -> bool:
        """Whether `append` can be tried: not all engines take a layer without those below it."""
        ...

    def append(self, image: str, layer: Layer, on_event: OnEvent) -> str:
        """Make an image from a stored one with one layer more, without a build; return its id.

        All else is as in the image below.

        Raises:
            EngineError: the engine does not take it; nothing has changed.
        """
        ...

    def left_builds(self) -> Sequence[str]:
        """List this user's builds that go on though their host processes are certainly gone, as far as that can be told."""
        ...

    def end_build(self, build: str) -> None:
        """End a build that `left_builds` has listed, and remove what it works in; one that has ended is fine."""
        ...

    def tag(self, image: str, reference: str) -> None:
        """Give a stored image one more name."""
        ...

    def push(self, request: PushRequest, on_event: OnEvent) -> str:
        """Push; return the digest under which the registry has it, or an empty text when it is not told.

        Raises:
            PushError: the registry refused or cannot be reached.
        """
        ...

    def remove_image(self, image: str) -> None:
        """Remove an image and its names; an absent one is fine.

        Raises:
            EngineError: a container uses it.
        """
        ...

    def save(self, image: str) -> Iterator[bytes]:
        """Stream a stored image as an archive of the ``docker save`` kind."""
        ...

    def load(self, archive: Iterable[bytes], reference: str) -> Image:
        """Store the image of an archive of the ``docker save`` kind, under the one name that it has there.

        Raises:
            EngineError: the engine does not take it.
        """
        ...

    # Containers -----------------------------------------------------------------------------------

    def create(self, spec: ContainerSpec) -> str:
        """Create a container; return its id.

        Raises:
            ImageNotFoundError: the image is not stored (any more).
            ContainerError: the specification cannot be met.
        """
        ...

    def attach(self, container: str, *, tty: bool) -> Attachment:
        """Attach to all three streams of a created container.

        Raises:
            ContainerError: it cannot start, as with `start`: some engines do part of that here.
        """
        ...

    def start(self, container: str) -> None:
        """Start a created container.

        Raises:
            CommandNotFoundError: its command is not there.
            NotExecutableError: its command cannot be executed.
            ContainerError: it cannot start, e.g. since a port is taken.
        """
        ...

    def wait(self, container: str) -> int:
        """Wait for the end of a *started* container; return its exit status, 128 + n when signal n killed it."""
        ...

    def state(self, container: str) -> ContainerState | None:
        """Look at a container; ``None`` when there is none."""
        ...

    def health(self, container: str) -> Health:
        """Look how a container is; empty where it has no health check, or is none.

        Docker tells what its last check came to; Podman runs the check, since without systemd nobody else does.
        """
        ...

    def kill(self, container: str, signal: int) -> None:
        """Send a signal to the container's first process; one that has ended already is fine."""
        ...

    def processes(self, container: str) -> int:
        """Count the processes in a container; 0 when it does not run."""
        ...

    def resize(self, container: str, *, rows: int, columns: int) -> None:
        """Tell a container's terminal its size; one that has ended already is fine."""
        ...

    def remove(self, container: str, *, volumes: bool = False) -> None:
        """Kill and remove a container; an absent one is fine.

        Args:
            container: its id.
            volumes: whether the anonymous volumes that were made for it go, too; only for a container that is certainly the
                caller's own. Named volumes stay, and so do those that another container has, or was made for.
        """
        ...

    def containers(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
        """List containers, ended ones too, that carry all these labels; an empty value matches any."""
        ...

    def put_archive(self, container: str, path: str, tar: bytes) -> None:
        """Unpack a tar archive into an existing directory of a container."""
        ...

    def get_archive(self, container: str, path: str) -> Iterator[bytes]:
        """Stream a path of a container as a tar archive."""
        ...

    def logs(self, container: str, *, follow: bool = False, tail: int | None = None) -> Attachment:
        """Read what the container has written so far; go on with what comes if ``follow``.

        Args:
            container: its id.
            follow: whether to wait for more.
            tail: how many of the last lines are enough; ``None``: all of it.
        """
        ...

    def execute(self, container: str, spec: CommandSpec) -> Execution:
        """Start one more command in a running container, attached to all three streams.

        A command that is not there is known only when the engine has tried: then `Attachment.read` of what this
        returns raises as `start` does.

        Raises:
            CommandNotFoundError: the command is not there.
            NotExecutableError: the command cannot be executed.
            ContainerError: it cannot be started, e.g. since the container does not run.
        """
        ...

    # Volumes --------------------------------------------------------------------------------------

    def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a named volume; one that is there stays as it is.

        Raises:
            EngineError: the engine has no volumes, or refuses.
        """
        ...

    def volumes(self, labels: Mapping[str, str], *, sizes: bool = False) -> Sequence[Volume]:
        """List the volumes that carry all these labels.

        Args:
            labels: an empty value matches any.
            sizes: whether to ask how large they are, which may take seconds.
        """
        ...

    def remove_volume(self, name: str) -> None:
        """Remove a volume and what is in it; an absent one is fine.

        Raises:
            EngineError: a container uses it.
        """
        ...

    # ----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connections. May be called twice."""
        ...


Connect: TypeAlias = Callable[[Target], Backend]
"""What an entry point in the group ``buildr.backends`` names."""
