"""A thread that makes signal handlers run immediately, and that knows the order of signals.

CPython only records a signal; the handler runs when the main thread next executes bytecode. A signal just before that
thread enters a system call, or restarts one after Ctrl+Z and `fg`, or that the kernel delivers to another thread, would
have no effect until the call returns, which may be never with a quiet guest or build step. (CPython 3.11 is worse under
a tracer, as coverage is: with a signal that waits, all other threads spin.)

Handlers of several signals run in the order of their numbers. So only here it is known whether the user has let a process
go on (SIGCONT) since it was asked to stop (SIGTSTP).
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_WAKE = signal.SIGURG  # a signal that every process ignores by default
_WAKE_PAUSE_SECONDS = 0.02  # between two attempts to wake the main thread
# Beside the numbers of signals that the kernel lets CPython write into the pipe:
_AGAIN = 0  # wakes the main thread
_QUESTION = 255  # of a thread that would stop the process, if it is to stop by all that came before


class Waker:
    """A thread that is notified of each signal, and interrupts the main thread until its handlers have run.

    Create and close it on the main thread. A wakeup descriptor of another library, such as asyncio, still gets every
    signal.

    Args:
        on_wake: called on the main thread when it has been woken; it may raise. Returns whether that is done, and need not
            be tried again a moment later.

    Raises:
        RuntimeError: no thread can be started.
    """

    def __init__(self, on_wake: Callable[[], bool]) -> None:
        self._on_wake = on_wake
        self._main = threading.get_ident()
        self._woken: SimpleQueue[None] = SimpleQueue()  # its put() may be interrupted by itself
        self._questions: deque[SimpleQueue[bool]] = deque()
        self._stops = False
        self._closing = False
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        self._previous_handler = signal.signal(_WAKE, self._on_signal)
        self._previous_fd = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._serve, name="buildr-waker", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._put_back()
            raise

    def close(self) -> None:
        """End the thread, and restore the previous wakeup descriptor."""
        self._closing = True
        # Closing is not enough: a child forked meanwhile holds this end, too.
        self._tell(_AGAIN)
        self._thread.join()
        self._put_back()

    def _put_back(self) -> None:
        signal.set_wakeup_fd(self._previous_fd)
        signal.signal(_WAKE, self._previous_handler or signal.SIG_DFL)
        os.close(self._write_end)
        os.close(self._read_end)

    def wake(self) -> None:
        """Wake the main thread as if a signal had come."""
        self._tell(_AGAIN)

    def take_stop(self) -> bool:
        """Return whether SIGTSTP came without a later SIGCONT, and reset that; from any thread."""
        answer: SimpleQueue[bool] = SimpleQueue()
        self._questions.append(answer)
        return not self._tell(_QUESTION) or answer.get()

    def _tell(self, byte: int) -> bool:
        """Write a byte after those of the signals; return whether the pipe had space."""
        with contextlib.suppress(BlockingIOError):
            return bool(os.write(self._write_end, bytes([byte])))
        return False

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._on_wake():
            self._woken.put(None)

    def _serve(self) -> None:
        block_signals()
        while not self._closing:
            numbers = os.read(self._read_end, 512)
            if self._previous_fd >= 0:
                with contextlib.suppress(OSError):  # full, or closed by its owner
                    os.write(self._previous_fd, numbers.translate(None, bytes([_AGAIN, _QUESTION])))
            for number in numbers:
                if number in (signal.SIGTSTP, signal.SIGCONT):
                    self._stops = number == signal.SIGTSTP
                elif number == _QUESTION:
                    self._questions.popleft().put(self._stops)
                    self._stops = False
            if numbers.strip(bytes([_WAKE, _QUESTION])):
                self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                self._woken.get_nowait()
        while not self._closing:
            signal.pthread_kill(self._main, _WAKE)
            # Handlers run together: after this one, those of earlier signals have run, too.
            with contextlib.suppress(Empty):
                self._woken.get(timeout=_WAKE_PAUSE_SECONDS)
                return


_blocked = threading.local()


def block_signals() -> None:
    """Block all signals in a helper thread: they must interrupt the main thread, which handles them."""
    if not hasattr(
        _blocked, "done"
    ):  # asking the kernel each time would dominate the cost of a call
        signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
        _blocked.done = True
