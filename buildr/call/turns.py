"""The threads of a session, one per concurrent call."""

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
    """Runs functions in the order of submission.

    Args:
        most: the maximum number of threads, which are started on demand.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._given: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._free = 0  # idle threads minus waiting functions
        self._threads = 0

    def give(self, run: Callable[[], None]) -> None:
        """Run a function that raises nothing in a thread."""
        with self._lock:
            self._given.put(run)
            self._free -= 1
            if self._free >= 0 or self._threads == self._most:
                return
            self._threads += 1
            self._free += 1
        threading.Thread(target=self._serve, name="buildr-call", daemon=True).start()

    def close(self) -> None:
        """End the threads after all submitted functions."""
        with self._lock:
            for _ in range(self._threads):
                self._given.put(None)

    def _serve(self) -> None:
        while (run := self._given.get()) is not None:
            run()
            del run  # do not keep it alive while waiting
            with self._lock:
                self._free += 1


def at_a_time(runtime: Runtime, asked: int | None) -> int:
    """Return the number of concurrent containers.

    Raises:
        OptionError: the number is invalid or not allowed by the options.
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
