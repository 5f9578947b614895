"""Reads the answers of a worker without blocking, in bounded memory; a worker may write anything."""

from __future__ import annotations

import os

from buildr.guest import frames

_KINDS = (frames.READY, frames.ANSWER, frames.LAST)


class FrameReader:
    """Assembles frames from received data.

    Attributes:
        broken: whether the data was not a frame, or a frame was too large; nothing more is read then.
    """

    def __init__(self) -> None:
        self.broken = False
        self._most = 0
        self._head = b""
        self._kind = b""
        self._data: bytearray | None = None
        self._left = memoryview(b"")

    def begin(self, most: int) -> None:
        """Set the maximum size of frames from now on."""
        self._most = most

    def take(self, file: int) -> tuple[bytes, bytearray] | None:
        """Return the next frame, its kind and its data; ``None`` if it is still incomplete.

        Args:
            file: a non-blocking descriptor.
        """
        try:
            while not self.broken:
                if self._data is None:
                    self._take_head(file)
                elif self._left:
                    self._left = self._left[os.readv(file, [self._left]) :]
                if self._data is not None and not self._left:
                    found, self._data = self._data, None
                    self._left = memoryview(b"")  # even an empty view would keep it alive
                    return self._kind, found
        except BlockingIOError:
            pass
        return None

    def _take_head(self, file: int) -> None:
        self._head += os.read(file, frames.HEAD.size - len(self._head))
        if len(self._head) < frames.HEAD.size:
            return
        self._kind, length = frames.HEAD.unpack(self._head)
        self._head = b""
        if self._kind not in _KINDS or length > self._most:
            self.broken = True
        else:
            self._data = bytearray(length)
            self._left = memoryview(self._data)
