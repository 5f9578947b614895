"""Streams of chunks: closing their source, and reading them like a file."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@contextlib.contextmanager
def closing(chunks: Iterable[bytes]) -> Iterator[Iterable[bytes]]:
    """Close the source of the chunks at the end of the block, if it can be closed, as a generator can."""
    try:
        yield chunks
    finally:
        if close := getattr(chunks, "close", None):
            close()


class ChunkReader:
    """Chunks of bytes behind a ``read(size)``."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = b""

    def read(self, size: int) -> bytes:
        """Return the requested number of bytes, fewer at the end."""
        parts = [self._left]
        length = len(self._left)
        while length < size and (chunk := next(self._chunks, None)) is not None:
            parts.append(chunk)
            length += len(chunk)
        joined = b"".join(parts)
        self._left = joined[size:]
        return joined[:size]

    def close(self) -> None:
        """Close the source of the chunks, if it can be closed."""
        if close := getattr(self._chunks, "close", None):
            close()
