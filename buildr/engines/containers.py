"""The containers of an engine, from creation to removal, and the data that passes between them and the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from buildr.engines.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from buildr.engines.container_spec import ContainerSpec, MountSpec
    from buildr.engines.records import CommandSpec, ContainerState, Health
    from buildr.engines.streams import Attachment, Execution


class Containers(Engine, Protocol):
    """An engine, as far as its containers are concerned. For what each method may raise see `Engine`, too."""

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
        """Look up a container; ``None`` when it does not exist."""
        ...

    def health(self, container: str) -> Health:
        """Look up a container's health; empty where it has no health check, or does not exist.

        Some engines report the last check; others run it now: see `EngineInfo.health_on_request`.
        """
        ...

    def kill(self, container: str, signal: int) -> None:
        """Send a signal to the container's first process; one that has ended already is fine."""
        ...

    def stop(self, container: str, grace_seconds: float) -> None:
        """Stop a container as its engine does: SIGTERM, the grace, SIGKILL; an absent one or one that has ended is fine.

        Unlike one that `kill` has ended, it is not started again by its restart policy.

        Args:
            container: its id.
            grace_seconds: between the two signals; engines take whole seconds, and get the next greater number.
        """
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

    def changed(self, container: str) -> Sequence[str]:
        """List the absolute paths of files and folders in a container that are not in its image, or differ from it."""
        ...

    def shows(self, container: str, mount: MountSpec) -> bool:
        """Return whether a container that has not been started shows the files of this machine at the source of a bind mount.

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
        """Read what the container has written so far; go on with new output if ``follow``.

        Args:
            container: its id.
            follow: whether to wait for more.
            tail: how many of the last lines are enough; ``None``: all of it.
            since: only what was written from then on, in seconds since the epoch; ``None``: all of it.
            timestamps: whether each line begins with its time, by RFC 3339, and a blank.
        """
        ...

    def execute(self, container: str, spec: CommandSpec) -> Execution:
        """Start one more command in a running container, attached to all three streams.

        Some engines find out that a command does not exist only when they run it: then `Attachment.read` of the returned
        object raises as `start` does.

        Raises:
            CommandNotFoundError: the command is not there.
            NotExecutableError: the command cannot be executed.
            ContainerError: it cannot be started, e.g. since the container does not run.
        """
        ...
