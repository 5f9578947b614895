"""Requests to end an operation, from any thread, and their listeners."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Cancellation:
    """Requests the end of one operation: first gracefully, then without grace.

    The code that carries out the operation sets the effect of a request with `telling`, so that no request is lost or
    reaches other work.
    """

    def __init__(self) -> None:
        # Held while a request is passed on, so that the listener does not change; reentrant, since signal handlers
        # request, too.
        self._lock = threading.RLock()
        self._count = 0
        self._act: Callable[[], None] | None = None

    @property
    def asked(self) -> bool:
        """Whether the end has been requested."""
        return self._count > 0

    def ask(self) -> None:
        """Request the end, from any thread, without waiting for it."""
        with self._lock:
            self._count += 1
            if self._act is not None:
                self._act()

    @contextlib.contextmanager
    def telling(self, act: Callable[[], None]) -> Iterator[None]:
        """Pass on each request, including earlier ones.

        Args:
            act: called for each request, never after the end of the context; must not block.
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
