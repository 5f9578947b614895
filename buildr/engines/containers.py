"""The protocol for containers: life cycle, streams, files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from buildr.engines.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from buildr.engines.container_spec import ContainerSpec, MountSpec
    from buildr.engines.records import CommandSpec, ContainerState, Health
    from buildr.engines.streams import Attachment, Execution


class Containers(Engine, Protocol):
    """The containers of an engine. `Engine` lists the errors that every method may raise."""

    def create(self, spec: ContainerSpec) -> str:
        """Create a container; return its id.

        Raises:
            ImageNotFoundError: the image is not stored, or no longer.
            ContainerError: the specification cannot be met.
        """
        ...

    def attach(self, container: str, *, tty: bool) -> Attachment:
        """Attach to all three streams of a created container.

        Raises:
            ContainerError: it cannot start; some engines find that out here and not in `start`.
        """
        ...

    def start(self, container: str) -> None:
        """Start a created container.

        Raises:
            CommandNotFoundError: its command does not exist.
            NotExecutableError: its command cannot be executed.
            ContainerError: it cannot start, for example because a port is taken.
        """
        ...

    def wait(self, container: str) -> int:
        """Wait for the end of a *started* container; return its exit status, 128 + n if signal n killed it."""
        ...

    def state(self, container: str) -> ContainerState | None:
        """Look up a container; ``None`` if it does not exist."""
        ...

    def health(self, container: str) -> Health:
        """Look up a container's health; empty if it has no health check or does not exist.

        Some engines report the last check, others run one now: see `EngineInfo.health_on_request`.
        """
        ...

    def kill(self, container: str, signal: int) -> None:
        """Send a signal to the container's first process, unless it has ended."""
        ...

    def stop(self, container: str, grace_seconds: float) -> None:
        """Stop a container as its engine does: SIGTERM, the grace period, SIGKILL. An absent or exited one is not an error.

        Unlike with `kill`, its restart policy does not start it again.

        Args:
            container: its id.
            grace_seconds: the time between the signals, rounded up to whole seconds.
        """
        ...

    def processes(self, container: str) -> int:
        """Count the processes in a container; 0 when it does not run."""
        ...

    def resize(self, container: str, *, rows: int, columns: int) -> None:
        """Set the size of a container's terminal, unless it has ended."""
        ...

    def remove(self, container: str, *, volumes: bool = False) -> None:
        """Kill and remove a container; an absent one is not an error.

        Args:
            container: its id.
            volumes: whether to remove its own anonymous volumes, too; only for a container that certainly belongs to
                the caller. Named volumes, and those of other containers, are kept.
        """
        ...

    def containers(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
        """List containers with all these labels, including exited ones; an empty value matches any."""
        ...

    def put_archive(self, container: str, path: str, tar: bytes) -> None:
        """Unpack a tar archive into an existing directory of a container."""
        ...

    def get_archive(self, container: str, path: str) -> Iterator[bytes]:
        """Yield a path of a container as a tar archive."""
        ...

    def changed(self, container: str) -> Sequence[str]:
        """List the absolute paths of files and folders in a container that its image lacks or has differently."""
        ...

    def shows(self, container: str, mount: MountSpec) -> bool:
        """Return whether the source of a bind mount of a created container is the same as on this machine.

        An engine on another machine, or in another container, may have something else at that path.

        Returns:
            ``True`` also if that is not known.
        """
        ...

    def logs(
        self,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
    ) -> Attachment:
        """Read the container's output so far; with ``follow``, continue with new output.

        Args:
            container: its id.
            follow: whether to wait for more.
            tail: the number of last lines; ``None``: all lines.
            since: only output since this time, in seconds since the epoch; ``None``: all output.
            timestamps: whether each line begins with its time, by RFC 3339, and a blank.
        """
        ...

    def execute(self, container: str, spec: CommandSpec) -> Execution:
        """Start a command in a running container, attached to all three streams.

        Some engines find out that a command does not exist only when they run it. Then `Attachment.read` of the
        returned object raises the same errors.

        Raises:
            CommandNotFoundError: the command does not exist.
            NotExecutableError: the command cannot be executed.
            ContainerError: it cannot be started, for example because the container is not running.
        """
        ...
