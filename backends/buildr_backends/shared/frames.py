"""The framing of attached streams, the same on Docker and Podman.

Without a terminal, output comes in frames: one byte for the stream (1 stdout, 2 stderr), three bytes 0, the
length of the payload as a big-endian 32-bit number, the payload (Docker Engine API, "Attach to a container",
stream format). With a terminal the bytes come as they are.
"""

from __future__ import annotations

from buildr.engines.streams import STDERR, STDIN, STDOUT, Output
from buildr.errors import EngineLostError
from buildr.host.limits import STREAM_MESSAGE

_HEADER = 8
_SYSTEM_ERROR = 3


class RawDecoder:
    """The stream of a terminal: everything is standard output."""

    failure: EngineLostError | None = None

    def feed(self, data: memoryview) -> Output:
        """Return the pieces in ``data``."""
        return ((STDOUT, data),)

    def finish(self) -> None:
        """Accept the end of the stream, which may come anywhere."""


class FrameDecoder:
    """Splits frames into pieces of output, without keeping payload.

    A frame is passed on piece by piece, so that neither a frame that announces 4 GiB nor one that comes byte
    by byte costs memory.

    Attributes:
        failure: why no output follows what `feed` has returned; to be raised instead of the next `feed`.
    """

    def __init__(self) -> None:
        self.failure: EngineLostError | None = None
        self._header = bytearray()
        self._message = bytearray()
        self._stream = STDOUT
        self._left = 0

    def feed(self, data: memoryview) -> Output:
        """Return the pieces of output in ``data``; they are views into it.

        Raises:
            EngineLostError: the bytes are not frames, or hold the engine's message that the stream failed. What came
                before is returned first.
        """
        pieces: list[tuple[int, memoryview]] = []
        try:
            self._split(data, pieces)
        except EngineLostError as error:
            self.failure = error
            if not pieces:
                raise
        return pieces

    def finish(self) -> None:
        """Accept the end of the stream.

        Raises:
            EngineLostError: it ended inside a frame, so that output is missing.
        """
        if self.failure is not None:
            raise self.failure
        if self._message:
            raise self._failed()
        if self._left or self._header:
            raise EngineLostError("the container's output broke off in the middle of a frame")

    def _split(self, data: memoryview, pieces: list[tuple[int, memoryview]]) -> None:
        at, end = 0, len(data)
        while at < end:
            if self._left:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                if self._stream == _SYSTEM_ERROR:
                    self._message += piece
                    if not self._left or len(self._message) >= STREAM_MESSAGE:
                        raise self._failed()
                else:
                    pieces.append((self._stream, piece))
                continue
            if not self._header and end - at >= _HEADER:  # the usual case, without a copy
                header: bytes | memoryview = data[at : at + _HEADER]
                at += _HEADER
            else:
                missing = data[at : at + _HEADER - len(self._header)]
                self._header += missing
                at += len(missing)
                if len(self._header) < _HEADER:
                    return
                header = bytes(self._header)
                self._header.clear()
            self._begin(header)

    def _begin(self, header: bytes | memoryview) -> None:
        stream = header[0]
        if stream > _SYSTEM_ERROR or header[1] or header[2] or header[3]:
            raise EngineLostError(
                f"the container's output is not in frames: a header begins with {bytes(header[:4])!r}"
            )
        # Docker's specification gives 0 to stdin "written on stdout".
        self._stream = STDOUT if stream == STDIN else stream
        self._left = int.from_bytes(header[4:8], "big")
        if self._stream == _SYSTEM_ERROR and not self._left:
            raise self._failed()

    def _failed(self) -> EngineLostError:
        message = bytes(self._message[:STREAM_MESSAGE]).decode(errors="replace").strip()
        return EngineLostError(
            f"the engine broke off the container's output: {message or 'no reason given'}"
        )


__all__ = ["STDERR", "STDOUT", "FrameDecoder", "RawDecoder"]
