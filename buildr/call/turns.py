"""The threads of a session: each runs one call at a time, and there are no more of them than may run at a time."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Turns:
    """Runs what it is given, in the order in which it comes.

    Args:
        most: how many threads there may be; they are started when they are needed.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._given: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._free = 0  # threads, less what waits for one
        self._threads = 0

    def give(self, run: Callable[[], None]) -> None:
        """Let a thread run something, which raises nothing."""
        with self._lock:
            self._given.put(run)
            self._free -= 1
            if self._free >= 0 or self._threads == self._most:
                return
            self._threads += 1
            self._free += 1
        threading.Thread(target=self._serve, name="buildr-call", daemon=True).start()

    def close(self) -> None:
        """Let the threads end when they have done what they were given."""
        with self._lock:
            for _ in range(self._threads):
                self._given.put(None)

    def _serve(self) -> None:
        while (run := self._given.get()) is not None:
            run()
            del run  # while it waits it keeps nothing alive
            with self._lock:
                self._free += 1
