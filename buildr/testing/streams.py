"""The standard streams of a fake container, between the guest's thread and the host."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING

from buildr.errors import EngineLostError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from buildr.engines.streams import Output


class GuestEnded(BaseException):
    """Raised in a guest's thread when it uses its streams or signals after its container was killed."""


class Plumbing:
    """What a container's streams share. Everything is read and changed under ``changed``.

    Attributes:
        changed: notified of every change.
        input: what the guest has not yet read.
        input_ended: whether nothing more comes.
        output: all that the guest has written, each piece with its stream.
        cut: why the attached streams are broken; empty while they are not.
        exit_code: ``None`` until the container has ended.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.input = bytearray()
        self.input_ended = False
        self.output: list[tuple[int, bytes]] = []
        self.cut = ""
        self.exit_code: int | None = None

    @property
    def ended(self) -> bool:
        """Whether the container has ended."""
        return self.exit_code is not None


class GuestInput(io.RawIOBase):
    """The guest's end of its standard input."""

    def __init__(self, plumbing: Plumbing) -> None:
        self._plumbing = plumbing

    def readable(self) -> bool:
        """See `io.IOBase.readable`."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Wait for input; see `io.RawIOBase.readinto`.

        Raises:
            GuestEnded: the container was killed.
        """
        plumbing, target = self._plumbing, memoryview(buffer).cast("B")
        with plumbing.changed:
            plumbing.changed.wait_for(
                lambda: plumbing.input or plumbing.input_ended or plumbing.ended
            )
            if plumbing.ended:
                raise GuestEnded
            taken = plumbing.input[: len(target)]
            del plumbing.input[: len(target)]
            target[: len(taken)] = taken
            return len(taken)


class GuestOutput(io.RawIOBase):
    """The guest's end of its standard output or its standard error; nothing is buffered."""

    def __init__(self, plumbing: Plumbing, stream: int) -> None:
        self._plumbing = plumbing
        self._stream = stream

    def writable(self) -> bool:
        """See `io.IOBase.writable`."""
        return True

    def write(self, data: ReadableBuffer) -> int:
        """Write all of it; see `io.RawIOBase.write`.

        Raises:
            GuestEnded: the container was killed.
        """
        piece = bytes(data)
        with self._plumbing.changed:
            if self._plumbing.ended:
                raise GuestEnded
            if piece:
                self._plumbing.output.append((self._stream, piece))
                self._plumbing.changed.notify_all()
        return len(piece)


class FakeAttachment:
    """The host's end: a `buildr.engines.streams.Attachment`.

    Args:
        plumbing: of the container.
        position: of the first piece of output to read.
        follow: whether to wait for what is still to come.
    """

    def __init__(self, plumbing: Plumbing, position: int, *, follow: bool = True) -> None:
        self._plumbing = plumbing
        self._position = position
        self._follow = follow
        self._closed = False

    def read(self) -> Output:
        """Wait for output; see `buildr.engines.streams.Attachment.read`."""
        plumbing = self._plumbing
        with plumbing.changed:
            plumbing.changed.wait_for(self._readable)
            pieces = plumbing.output[self._position :]
            self._position = len(plumbing.output)
            if self._closed:
                return ()
            if not pieces and plumbing.cut and self._follow:  # what is stored is not cut off
                raise EngineLostError(f"the container's output broke off: {plumbing.cut}")
            return [(stream, memoryview(data)) for stream, data in pieces]

    def _readable(self) -> bool:
        plumbing = self._plumbing
        there = len(plumbing.output) > self._position or plumbing.ended
        return there or self._closed or not self._follow or bool(plumbing.cut)

    def write(self, data: bytes | memoryview) -> None:
        """Send standard input; see `buildr.engines.streams.Attachment.write`."""
        plumbing = self._plumbing
        with plumbing.changed:
            if self._closed or plumbing.ended or plumbing.cut:
                raise EngineLostError("the container's input broke off: it is no longer read")
            plumbing.input += data
            plumbing.changed.notify_all()

    def close_write(self) -> None:
        """End standard input; see `buildr.engines.streams.Attachment.close_write`."""
        with self._plumbing.changed:
            self._plumbing.input_ended = True
            self._plumbing.changed.notify_all()

    def close(self) -> None:
        """Close; see `buildr.engines.streams.Attachment.close`."""
        with self._plumbing.changed:
            self._closed = True
            self._plumbing.changed.notify_all()
