"""Archives of files in containers, as engines send them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from buildr.errors import EngineLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ARCHIVE_ATTEMPTS, _ARCHIVE_PAUSE = 5, 0.05  # seconds, longer each time


def not_empty(chunks: Iterator[bytes], ask: Callable[[], Iterator[bytes]]) -> Iterator[bytes]:
    """Yield an archive, and ask again while it is empty.

    Podman 5.8 sends nothing, and no error, of a container that it is just unmounting, since its command has ended.
    """
    for attempt in range(1, _ARCHIVE_ATTEMPTS + 1):
        empty = True
        for chunk in chunks:
            empty = False
            yield chunk
        if not empty:
            return
        if attempt < _ARCHIVE_ATTEMPTS:
            time.sleep(_ARCHIVE_PAUSE * attempt)
            chunks = ask()
    raise EngineLostError("the engine sent no data of an archive")
