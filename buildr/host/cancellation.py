"""A request that something ends, which any thread may make at any time, and the listeners to notify of it."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Cancellation:
    """Asks for the end of one thing: once gracefully, and once more for an end without grace.

    The code that works on it says by `telling` what a request does: so no request is lost, and none reaches other work.
    """

    def __init__(self) -> None:
        # When this is passed on, the work must not have changed hands meanwhile; reentrant, since a signal handler may ask, too.
        self._lock = threading.RLock()
        self._count = 0
        self._act: Callable[[], None] | None = None

    @property
    def asked(self) -> bool:
        """Whether the end has been asked for."""
        return self._count > 0

    def ask(self) -> None:
        """Ask for the end; from any thread, and without waiting for it."""
        with self._lock:
            self._count += 1
            if self._act is not None:
                self._act()

    @contextlib.contextmanager
    def telling(self, act: Callable[[], None]) -> Iterator[None]:
        """Pass each request on, those that came before included.

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
