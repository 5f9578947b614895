"""The threads of a session: each runs one call at a time, and there are no more of them than may run at a time."""

from __future__ import annotations

import os
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from buildr.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.options import Runtime

_MOST = 4  # containers at a time, by default


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


def at_a_time(runtime: Runtime, asked: int | None) -> int:
    """Return how many containers run at a time.

    Raises:
        OptionError: not so many, or none.
    """
    alone = [
        option
        for option, there in (
            ("name", runtime.name is not None),
            ("ports", any(port.host for port in runtime.ports)),
        )
        if there
    ]
    if asked is None:
        return 1 if alone else min(_MOST, os.cpu_count() or 1)
    if type(asked) is not int or asked < 1:
        raise OptionError(f"concurrency cannot be {asked!r}", hint="accepted: a number, 1 or more")
    if alone and asked > 1:
        raise OptionError(
            f"runtime.{alone[0]} and concurrency={asked} cannot be combined:"
            " only one container at a time can have it",
            hint="Leave one of them out; host port 0 lets the engine choose a free one.",
        )
    return asked
