"""Handles Ctrl+C before an operation begins and while the process ends: no traceback, and the same status."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Self

    Handler = Callable[[int, FrameType | None], None]


class Held:
    """Holds interrupts until an operation has its own handlers; a context manager.

    It covers the imports, which take long enough to be interrupted and need no clean-up.

    Attributes:
        count: the number of held interrupts.
        previous: the previous handler; ``None`` if nothing is held, as off the main thread.
    """

    def __init__(self) -> None:
        self.count = 0
        self.previous: object = None

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Note an interrupt."""
        self.count += 1

    def __enter__(self) -> Self:
        """Begin to hold them."""
        if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
            with contextlib.suppress(ValueError):  # off the main thread
                self.previous = signal.signal(signal.SIGINT, self)
        return self

    def __exit__(self, *_: object) -> None:
        """Restore the previous handler, unless an operation has taken over.

        Raises:
            KeyboardInterrupt: there was an interrupt.
        """
        present: object = signal.getsignal(signal.SIGINT)
        if present is self:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            if self.count:
                raise KeyboardInterrupt


def interrupts_ending(end: SystemExit) -> Handler:
    """Return a SIGINT handler for an interrupted program that is ending.

    Another interrupt ends the process immediately with its status: in a ``finally`` of the program, or while Python
    waits for threads. If the program catches the exception and continues, the handler has no further effect.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        if sys.exc_info()[1] is end or _waits_for_threads(frame):
            os._exit(end.code if isinstance(end.code, int) else 1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.default_int_handler(number, frame)

    ignore_at_the_end()
    return handle


def end_on_interrupt() -> None:
    """Make an interrupt end a process of Buildr without a traceback, if it needs no clean-up."""
    # A signal that is ignored on purpose (nohup) stays ignored.
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))
        ignore_at_the_end()


def ignore_at_the_end() -> None:
    """Ignore interrupts while the interpreter shuts down."""
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


def _waits_for_threads(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_back is not None:
        frame = frame.f_back
    return frame is not None and frame.f_globals.get("__name__") == "threading"
