"""A request that something ends, which any thread may make at any time, and the listeners to notify of it."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Cancellation:
    """Asks for the end of one thing: once gracefully, and once more for an end without grace.

    Whoever is at it meanwhile says by `telling` what to do: then no wish is lost, and none reaches the wrong one.
    """

    def __init__(self) -> None:
        # Of several calls at once the last one must not be at work for somebody else already; a handler of a signal may ask, too.
        self._lock = threading.RLock()
        self._count = 0
        self._act: Callable[[], None] | None = None

    @property
    def asked(self) -> bool:
        """Whether anybody has asked."""
        return self._count > 0

    def ask(self) -> None:
        """Ask for the end; from any thread, and without waiting for it."""
        with self._lock:
            self._count += 1
            if self._act is not None:
                self._act()

    @contextlib.contextmanager
    def telling(self, act: Callable[[], None]) -> Iterator[None]:
        """Let each wish be passed on, those that came before included.

        Args:
            act: must not wait for anything; it is never called after the end of the context.
        """
        with self._lock:
            self._act = act
            for _ in range(self._count):
                act()
        try:
            yield
        finally:
            with self._lock:
                self._act = None
