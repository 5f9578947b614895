"""The standard streams of a container or of a command in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

STDIN, STDOUT, STDERR = 0, 1, 2

Output: TypeAlias = Sequence[tuple[int, memoryview]]
"""Pieces of output, each with its stream: `STDOUT` or `STDERR`."""


class Attachment(Protocol):
    """The three standard streams of a container, attached before its start.

    `read` belongs to one thread and the writing methods to one other.
    """

    def read(self) -> Output:
        """Wait for output.

        Returns:
            Pieces in the order of arrival, valid until the next call; empty at the end of the streams.

        Raises:
            EngineLostError: the stream ended inside a frame, or has no valid frames.
        """
        ...

    def write(self, data: bytes | memoryview) -> None:
        """Send standard input.

        Raises:
            EngineLostError: the other side no longer reads it.
        """
        ...

    def close_write(self) -> None:
        """End the guest's standard input; its output continues."""
        ...

    def close(self) -> None:
        """Close the connection; the container keeps running. May be called twice, and from any thread to end a `read`."""
        ...


class Execution(Attachment, Protocol):
    """A command that was started in a running container."""

    def status(self) -> int | None:
        """Return the exit status, 128 + n if signal n killed it; ``None`` until it has ended.

        Raises:
            EngineError: the engine no longer knows it, since its container is gone.
        """
        ...

    def kill(self, signal: int) -> None:
        """Send a signal to the command, unless it has ended. SIGKILL also kills its children."""
        ...

    def resize(self, *, rows: int, columns: int) -> None:
        """Set the size of the command's terminal, unless it has ended."""
        ...
