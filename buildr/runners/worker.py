"""A worker: a container that answers calls, one at a time, until it is asked to end or a call ends it."""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.guest import frames
from buildr.host.signals import Signals, block_signals
from buildr.run.output import flush_own
from buildr.runners.pipes import Pipes
from buildr.runners.protocol import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.runners.protocol import WorkerCall

    RunContainer = Callable[["Worker", Pipes], None]


class Worker:
    """A container with its own thread, and a second thread that copies its output.

    Args:
        run_container: runs the container to its end; its exceptions are raised to the current call.
        grace_seconds: the grace period for its end.
        on_ready: called when it is ready for calls.
        on_end: called when its container has been removed.

    Attributes:
        signals: end it in the run loop.
        is_usable: whether it accepts another call.
        settled: set when it is ready for calls, or never will be.
        idle_since: the end of its last call, on the clock of `time.monotonic`.
    """

    def __init__(
        self,
        run_container: RunContainer,
        grace_seconds: float,
        *,
        on_ready: Callable[[Worker], None],
        on_end: Callable[[Worker], None],
    ) -> None:
        self.signals = Signals()
        self.is_usable = True
        self.settled = threading.Event()
        self.idle_since = 0.0
        self._run_container = run_container
        self._grace_seconds = grace_seconds
        self._on_ready = on_ready
        self._on_end = on_end
        self._status = 0
        self._failure: BaseException | None = None
        self._pipes = Pipes()
        self._over = threading.Event()
        self._turn = threading.Lock()  # held by a call, and after the end permanently
        self._showing = threading.Lock()
        self._timer: threading.Timer | None = None

    def start(self) -> None:
        """Begin; errors are reported to the first call."""
        self._pipes.__enter__()
        self._ended, self._end = os.pipe2(os.O_CLOEXEC)
        threading.Thread(target=self._serve, name="buildr-worker", daemon=True).start()

    def answer(self, call: WorkerCall) -> Answer:
        """Run one call.

        Raises:
            BuildrError: the engine failed, or the output cannot be written.
            BrokenPipeError: the reader of our output is gone.
        """
        found = None
        with self._turn:
            if not self._over.is_set():
                flush_own()
                with call.cancellation.telling(self.stop):
                    call.on_start()
                    found = self._pipes.exchange(call.parts, call.answer_bytes, self._ended)
                self._show()
        if found is None:
            self.join()
        if self._failure is not None:
            raise self._failure
        if found is None:
            return Answer(status=self._status, message=b"")
        self.is_usable = self.is_usable and found[0] == frames.ANSWER
        return Answer(status=0, message=found[1])

    def finish(self) -> None:
        """Make it end, without waiting; a current call is interrupted."""
        self.is_usable = False
        if not self._turn.acquire(blocking=False):
            self.stop()
            return
        try:
            if not self._over.is_set() and self._timer is None:
                self._pipes.end()
                self._timer = threading.Timer(self._grace_seconds, self._kill)
                self._timer.daemon = True
                self._timer.start()
        finally:
            self._turn.release()

    def stop(self) -> None:
        """Interrupt it, and kill it after its grace period, or at a second request."""
        self.is_usable = False
        self.signals.interrupts = 1  # a container that was not created yet never starts
        self.signals.request_cancel()

    def join(self) -> None:
        """Wait until its container has been removed."""
        self._over.wait()

    def note_end(self, status: int) -> None:
        """Record the exit status of its container."""
        self.is_usable = False
        self._status = status

    def ended_with(self, answer: Answer) -> Answer:
        """Return an answer with the exit status of its container, which has been removed.

        Raises:
            BuildrError: an error after the answer.
        """
        if self._failure is not None:
            raise self._failure
        return replace(answer, status=self._status)

    def _kill(self) -> None:
        self.stop()
        self.stop()

    def _serve(self) -> None:
        block_signals()
        output = threading.Thread(target=self._follow_output, name="buildr-output", daemon=True)
        try:
            output.start()
            self._run_container(self, self._pipes)
        except BaseException as error:  # noqa: BLE001 - raised to the call
            self._failure = self._failure or error
        finally:
            self.is_usable = False
            os.close(self._end)
            if output.ident is not None:
                output.join()
            with self._turn:
                self._over.set()
                if self._timer is not None:
                    self._timer.cancel()
                self._pipes.__exit__()
                os.close(self._ended)
            self.settled.set()
            self._on_end(self)

    def _follow_output(self) -> None:
        block_signals()
        poll = select.poll()
        for file in (self._ended, *self._pipes.shown):
            poll.register(file, select.POLLIN)
        poll.register(self._pipes.answers, select.POLLIN)
        ended = False
        try:
            while not ended:
                ready = dict(poll.poll())
                ended = self._ended in ready
                if self._pipes.answers in ready and self._is_settled():
                    poll.unregister(self._pipes.answers)
                self._show()
        except BaseException as error:  # noqa: BLE001 - raised to the call
            self._failure = error
            self._kill()

    def _is_settled(self) -> bool:
        """Whether the worker is ready, or known to have failed."""
        if self._pipes.is_ready():
            self.settled.set()
            self._on_ready(self)
            return True
        if self._pipes.is_broken:
            self.stop()
        return self._pipes.is_broken

    def _show(self) -> None:
        with self._showing:
            self._pipes.show()
