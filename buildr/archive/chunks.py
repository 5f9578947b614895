"""A stream of chunks as the file object that `tarfile` reads from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class ChunkReader:
    """Chunks of bytes behind a ``read(size)``."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def read(self, size: int) -> bytes:
        """Return as many bytes as are asked for, fewer at the end."""
        parts = [self._left]
        length = len(self._left)
        while length < size and (chunk := next(self._chunks, None)) is not None:
            parts.append(chunk)
            length += len(chunk)
        joined = b"".join(parts)
        self._left = joined[size:]
        return joined[:size]
