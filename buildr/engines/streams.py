"""The standard streams of a container, or of one more command in it."""

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
            Pieces in the order in which they came, valid until the next call; empty at the end of the streams.

        Raises:
            EngineLostError: the stream broke off inside a frame, or is not one of frames.
        """
        ...

    def write(self, data: bytes | memoryview) -> None:
        """Send standard input.

        Raises:
            EngineLostError: nothing reads it any more.
        """
        ...

    def close_write(self) -> None:
        """End the guest's standard input; its output continues."""
        ...

    def close(self) -> None:
        """Close the connection; the container goes on. May be called twice, and from any thread to end a `read`."""
        ...


class Execution(Attachment, Protocol):
    """A command that has been started in a running container: its streams, and how it ends."""

    def status(self) -> int | None:
        """Return the exit status, 128 + n when signal n killed it; ``None`` until it has ended.

        Raises:
            EngineError: the engine no longer knows it, since its container has gone.
        """
        ...

    def kill(self, signal: int) -> None:
        """Send a signal to the command; one that has ended already is fine. SIGKILL also takes what it has started."""
        ...

    def resize(self, *, rows: int, columns: int) -> None:
        """Tell the command's terminal its size; one that has ended already is fine."""
        ...
