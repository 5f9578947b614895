"""Signals of the host process while an action runs.

Until a container exists a signal ends the action at once, by an exception. From then on signals are collected,
for the run loop to forward; nothing is lost and nothing is interrupted half-way. The previous handlers come back
afterwards. Off the main thread Python allows no handlers: there none is installed, and nothing else changes.

CPython only notes a signal when it comes; the handler runs when the main thread next executes bytecode. One that comes
in the moment before that thread enters a system call, or restarts one after Ctrl+Z and `fg`, or that the kernel gives to
another thread, would wait until the call returns by itself, and beside a quiet guest or a silent build step that may be
never. (CPython 3.11 is worse under a tracer, as coverage is: with a signal that waits, all other threads spin.) `Waker`
sees to it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType, TracebackType
    from typing import Self

FORWARDED = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
"""Passed on to the guest as they are. SIGINT cancels, SIGWINCH resizes, SIGTSTP suspends."""

END = -1
"""In `Signals.received`: no signal of the user's, but Buildr itself wants the guest to end, with SIGTERM and its grace."""

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_HANDLED = (*FORWARDED, signal.SIGINT, signal.SIGWINCH, signal.SIGTSTP)
_FORCE = 3  # interrupts until even an orderly end is given up; more of them change nothing
_WAKE = signal.SIGURG  # ignored by default in every process that it may reach
_WAKE_PAUSE_SECONDS = 0.02  # between two tries to wake the main thread


class Terminated(BaseException):
    """A signal that ends a process came before there was a guest to forward it to.

    Attributes:
        number: of the signal.
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
        received: what came since `collect`, for one thread to take.
        interrupts: how many SIGINT came since then.
        ending: whether a signal came since then that ends a process, SIGINT apart.
        interrupt_status: the exit status that the user wants after Ctrl+C.
    """

    def __init__(self) -> None:
        self.received: SimpleQueue[int] = SimpleQueue()
        self.interrupts = 0
        self.ending = False
        self.interrupt_status = 0
        self._cancelled = False
        self._collecting = False
        self._previous: dict[int, object] = {}
        self._waker: Waker | None = None

    def __enter__(self) -> Self:
        """Install the handlers."""
        if threading.current_thread() is threading.main_thread():
            self._waker = Waker()
            for number in _HANDLED:
                # A signal that was ignored on purpose (nohup) stays ignored.
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Bring the previous handlers back."""
        for number, handler in self._previous.items():
            # None: it was not installed from Python; the best that can be done is the default.
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)  # type: ignore[arg-type]  # what signal() gave
        self._previous.clear()
        if self._waker is not None:
            self._waker.close()
            self._waker = None

    @property
    def forced(self) -> bool:
        """Whether the user asked so often that nothing may be waited for any more."""
        return self.interrupts >= _FORCE

    @property
    def cancelled_status(self) -> int:
        """The exit status of what was cancelled: 0 where a program asked for it, not the user."""
        return self.interrupt_status if self.interrupts else 0

    @property
    def asked_to_end(self) -> bool:
        """Whether something came since `collect` that ends the action; from the thread that takes `received`, before it does."""
        return bool(self.interrupts or self.ending or self._cancelled)

    def collect(self) -> None:
        """From now on keep signals instead of raising: a container is about to exist."""
        self._collecting = True

    def release(self) -> None:
        """Raise again: no container was created.

        Raises:
            KeyboardInterrupt: an interrupt came meanwhile.
            Terminated: another signal that ends a process did.
        """
        self._collecting = False
        while not self.received.empty():
            number = self.received.get()
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            if number in _ENDING:
                raise Terminated(number)

    def request_cancel(self) -> None:
        """Ask for what a first Ctrl+C asks for; from any thread."""
        self._cancelled = True
        self.received.put(signal.SIGINT)

    def request_end(self) -> None:
        """Ask the guest to end, for a reason that is not the user's; from any thread."""
        self.received.put(END)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - Python's signature
        if number == signal.SIGINT:
            self.interrupts += 1
            if self.interrupts > _FORCE:
                return  # the end is under way already, and must not be broken off half-way
            if not self._collecting or self.forced:
                raise KeyboardInterrupt
        elif not self._collecting:
            if number == signal.SIGTSTP:
                signal.raise_signal(signal.SIGSTOP)
                return
            if number in (signal.SIGWINCH, signal.SIGUSR1, signal.SIGUSR2):
                return  # the guest's business, and there is none yet
            raise Terminated(number)
        elif number in _ENDING:
            self.ending = True
        self.received.put(number)


class Waker:
    """A thread that hears of each signal at once, and interrupts the main thread until handlers have run.

    To be made and closed on the main thread. A wakeup descriptor that somebody else has set, as asyncio does, goes on
    being told.
    """

    def __init__(self) -> None:
        self._main = threading.get_ident()
        self._woken: SimpleQueue[None] = SimpleQueue()  # its put() may be interrupted by itself
        self._closing = False
        self._heard, self._told = os.pipe()
        os.set_blocking(self._told, False)
        self._previous_handler = signal.signal(_WAKE, lambda *_: self._woken.put(None))
        self._previous_fd = signal.set_wakeup_fd(self._told, warn_on_full_buffer=False)
        self._thread = threading.Thread(target=self._serve, name="buildr-waker", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, and put back what was before."""
        signal.set_wakeup_fd(self._previous_fd)
        signal.signal(_WAKE, self._previous_handler or signal.SIG_DFL)
        self._closing = True
        # Closing alone would not do: a child that was forked meanwhile has this end, too.
        os.write(self._told, b"\0")
        self._thread.join()
        os.close(self._told)
        os.close(self._heard)

    def _serve(self) -> None:
        block_signals()
        while not self._closing:
            numbers = os.read(self._heard, 512)
            if self._previous_fd >= 0:
                with contextlib.suppress(OSError):  # full, or closed by its owner
                    os.write(self._previous_fd, numbers.replace(b"\0", b""))
            if numbers.strip(bytes([_WAKE])):
                self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                self._woken.get_nowait()
        while not self._closing:
            signal.pthread_kill(self._main, _WAKE)
            # Handlers run in one go: when this one has, so have those of the signals that came before it.
            with contextlib.suppress(Empty):
                self._woken.get(timeout=_WAKE_PAUSE_SECONDS)
                return


def block_signals() -> None:
    """Block all signals in a helper thread: they must interrupt the main thread, which handles them."""
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
