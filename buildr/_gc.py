"""Imports without the garbage collector, which would look at all that they make, several times, and find nothing.

A run is over a fraction of a second after its imports, and each costs the user time. What an import makes (modules, functions,
classes) stays until the end, and there the collector walks all of it once more; what is frozen it leaves alone. Together
10 of the 70 milliseconds that Python needs for Buildr's modules.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Uncollected"]


class Uncollected:
    """No garbage is collected meanwhile; a context manager.

    Args:
        freeze: leave alone for good what there is at the end: for a time at which the program itself has made little.
    """

    def __init__(self, *, freeze: bool = False) -> None:
        self._freeze = freeze
        self._collects = False

    def __enter__(self) -> None:
        self._collects = gc.isenabled()
        gc.disable()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._freeze:
            gc.freeze()
        if self._collects:
            gc.enable()
