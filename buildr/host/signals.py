"""Signals of the host process while an action runs.

Until a container exists, a signal ends the action immediately, by an exception. From then on signals are collected for
the run loop to forward; none is lost, and nothing is interrupted half-way. The previous handlers are restored
afterwards. Off the main thread, where Python allows no handlers, none is installed.

A signal may come at any point and any number of times. So only one exception is raised: by the first signal that ends the
action or, beside a container, by the third interrupt. Another one would break off what unwinds, and leave it in any state;
there the third interrupt ends the process itself, and guards finish (`buildr.host.guard`). An exception that Python cannot
raise, since it met a destructor or a callback of a weak reference, is raised again where that has ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from buildr.host.ending import Held, interrupts_ending
from buildr.host.waker import Waker, block_signals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType
    from typing import Self

__all__ = ["END", "FORWARDED", "Signals", "Terminated", "block_signals"]

FORWARDED = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
"""Forwarded to the guest. SIGINT cancels, SIGWINCH resizes, SIGTSTP suspends."""

END = -1
"""In `Signals.received`: not a signal from the user; Buildr itself ends the guest, with SIGTERM and a grace period."""

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_HANDLED = (*FORWARDED, signal.SIGINT, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)
_FORCE = 3  # the number of interrupts that aborts even a clean end


class Terminated(BaseException):
    """A terminating signal arrived before there was a guest.

    Attributes:
        number: the number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def exit_code(self) -> int:
        """128 + n, as a shell reports death by signal n."""
        return 128 + self.number


class Signals:
    """The handlers of one action; a context manager.

    Attributes:
        received: signals since `collect`, to be taken by one thread.
        interrupts: the number of SIGINTs.
        ending: whether a terminating signal other than SIGINT came since `collect`.
        interrupt_status: the exit status that the user wants after Ctrl+C.
    """

    def __init__(self) -> None:
        self.received: SimpleQueue[int] = SimpleQueue()
        self.interrupts = 0
        self.ending = False
        self.interrupt_status = 0
        self._cancelled = False
        self._collecting = False
        self._raising = False
        self._first: BaseException | None = None  # that ends the action, raised or to be raised
        self._ignored: BaseException | None = None  # that Python could not raise
        self._has_hook = self._in_hook = False
        self._previous: dict[int, object] = {}
        self._waker: Waker | None = None

    def __enter__(self) -> Self:
        """Install the handlers. They raise only inside `raising`."""
        if threading.current_thread() is threading.main_thread():
            with contextlib.suppress(
                RuntimeError
            ):  # no thread can be started: handlers may run late
                self._waker = Waker(self._raise_again)
            self._previous_hook = sys.unraisablehook
            self._has_hook = True
            sys.unraisablehook = self._on_unraisable
            for number in _HANDLED:
                # A signal that is ignored on purpose (nohup) stays ignored.
                if signal.getsignal(number) != signal.SIG_IGN:
                    previous: object = signal.signal(number, self._handle)
                    if isinstance(previous, Held):
                        for _ in range(previous.count):
                            self._interrupt()
                        previous = previous.previous
                    self._previous[number] = previous
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Restore the previous handlers."""
        if (
            self.interrupts
            and isinstance(error, SystemExit)
            and self._previous.get(signal.SIGINT) == signal.default_int_handler
        ):
            self._previous[signal.SIGINT] = interrupts_ending(error)
        for number, handler in self._previous.items():
            # None: it was not installed from Python; use the default instead.
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)  # type: ignore[arg-type]  # what signal() gave
        self._previous.clear()
        if self._has_hook:
            sys.unraisablehook, self._has_hook = self._previous_hook, False
        if self._waker is not None:
            self._waker.close()
            self._waker = None

    @contextlib.contextmanager
    def raising(self) -> Iterator[None]:
        """Let signals end the block.

        The third interrupt ends the process, where the first is ending that already.

        Raises:
            KeyboardInterrupt: an interrupt came before there was a container, or the third one did at any time.
            Terminated: another signal that ends a process came before there was a container.
        """
        self._raising = True
        try:
            if self._first is not None:
                raise self._first
            yield
        finally:
            self._raising = False

    @property
    def forced(self) -> bool:
        """Whether the user has interrupted so often that nothing may be awaited any more."""
        return self.interrupts >= _FORCE

    @property
    def cancelled_status(self) -> int:
        """The exit status after a cancel: 0 if the program requested it, not the user."""
        return self.interrupt_status if self.interrupts else 0

    @property
    def asked_to_end(self) -> bool:
        """Whether a signal since `collect` ends the action; to be called before `received` is taken, by the same thread."""
        return bool(self.interrupts or self.ending or self._cancelled)

    def collect(self) -> None:
        """Collect signals instead of raising from now on: a container is about to exist."""
        self._collecting = True

    def release(self) -> None:
        """Raise again: no container was created.

        Raises:
            KeyboardInterrupt: an interrupt came meanwhile.
            Terminated: another terminating signal came meanwhile.
        """
        self._collecting = False
        while not self.received.empty():
            number = self.received.get()
            if number == signal.SIGINT or number in _ENDING:
                self._first = KeyboardInterrupt() if number == signal.SIGINT else Terminated(number)
                raise self._first

    def take_stop(self) -> bool:
        """Return whether to stop the process now, after one or several SIGTSTP.

        Not where it has stopped for them already, or the user has let it go on since (SIGCONT), as the kernel has it.
        From any thread.
        """
        return self._waker is None or self._waker.take_stop()

    def request_cancel(self) -> None:
        """Act like a first Ctrl+C; from any thread."""
        self._cancelled = True
        self.received.put(signal.SIGINT)

    def request_end(self) -> None:
        """Ask the guest to end, not on behalf of the user; from any thread."""
        self.received.put(END)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - Python's signature
        if number == signal.SIGINT:
            self._interrupt()
        elif number == signal.SIGCONT:
            pass  # the waker has noticed it
        elif self._collecting:
            self.ending = self.ending or number in _ENDING
            self.received.put(number)
        elif number == signal.SIGTSTP:
            if self.take_stop():
                signal.raise_signal(signal.SIGSTOP)
        elif number in _ENDING:
            self._end(Terminated(number))
        # Other signals are for the guest, which does not exist yet.

    def _interrupt(self) -> None:
        self.interrupts += 1
        if self.interrupts == _FORCE and self._first is not None and self._raising:
            with contextlib.suppress(Exception):  # it may be in use
                sys.stdout.flush()
            os._exit(128 + signal.SIGINT)
        if self._collecting and self.interrupts < _FORCE:
            self.received.put(signal.SIGINT)
        elif not self._collecting or self.interrupts == _FORCE:
            self._end(KeyboardInterrupt())

    def _end(self, error: BaseException) -> None:
        if self._first is None:
            self._first = error
            if self._raising:
                raise error

    def _on_unraisable(self, found: sys.UnraisableHookArgs) -> None:
        if not isinstance(found.exc_value, KeyboardInterrupt | Terminated):
            self._previous_hook(found)
        elif self._waker is not None:
            self._in_hook = True
            self._ignored = found.exc_value.with_traceback(None)
            self._waker.wake()
            self._in_hook = False

    def _raise_again(self) -> bool:
        if self._in_hook:
            return False
        error, self._ignored = self._ignored, None
        if error is not None and self._raising:
            raise error
        return True
