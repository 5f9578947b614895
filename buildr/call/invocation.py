"""One call: a thread that runs its container, and ways to wait for it and to cancel it.

It installs no signal handler. An exception from the program's own handlers interrupts a wait on the main thread: the
guest is then asked to end, and the exception propagates after its end.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from buildr.errors import CallCancelledError, CallTimeoutError
from buildr.host.cancellation import Cancellation
from buildr.host.signals import block_signals

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Protocol

    from buildr.call.target import Target
    from buildr.call.turns import Turns

    Request = tuple[dict[str, Any], list[bytes | bytearray | memoryview]]

    class Calls(Protocol):
        """The resources that calls of one function share, such as `buildr.call.session.Session`."""

        target: Target
        running: list[Any]
        timeout: float | None
        given_up: bool
        turns: Turns

        def prepare(self) -> object:
            """Connect to the engine, and find or build the image."""
            ...

        def run(self, call: Call, request: Request) -> Any:
            """Run a call in a worker; return the value."""
            ...

        def give_up(self) -> None:
            """Leave running containers to the watchdog."""
            ...


LOOK_SECONDS = 1.0
"""The interval at which a wait wakes up: a signal just before the wait is noticed after at most this time."""
_PATIENCE = 3  # the number of interrupts that abandons even a clean end


class Call:
    """One call, begun by `start`.

    Args:
        session: its engine and image.
        request: the arguments, as `buildr.guest.transfer.encode` returns them.
        failure: an exception to raise as the result, instead of a call.

    Attributes:
        cancellation: requests the end of the worker.
    """

    def __init__(
        self, session: Calls, request: Request, *, failure: BaseException | None = None
    ) -> None:
        self.cancellation = Cancellation()
        self._session = session
        self._request = request
        self._value: Any = None
        self._failure = failure
        self._why = ""
        self._ended = threading.Event()
        self._listeners: list[Callable[[], None]] = []
        self._timer: threading.Timer | None = None
        self._begun = False

    @property
    def ended(self) -> bool:
        """Whether everything is over, including the container's removal after a cancel."""
        return self._ended.is_set()

    @property
    def unwanted(self) -> bool:
        """Whether the end has already been requested."""
        return bool(self._why)

    def start(self) -> None:
        """Begin, in a thread of the session."""
        if self._failure is not None:
            self._end()
            return
        self._session.running.append(self)
        self._session.turns.give(self._serve)
        self._begun = True

    def started(self) -> None:
        """Note that the function is about to run, which starts its timeout."""
        if self._session.timeout is not None:
            self._timer = threading.Timer(self._session.timeout, self.cancel, ("timeout",))
            self._timer.daemon = True
            self._timer.start()

    def request_cancel(self) -> None:
        """See `cancel`."""
        self.cancel()

    def cancel(self, why: str = "cancelled") -> None:
        """Request the end: SIGINT and, after the grace period or at a second request, SIGKILL; from any thread."""
        if self.ended or (why == "timeout" and self._why):
            return
        self._why = self._why or why
        self.cancellation.ask()

    def wait(self, cancel: Callable[[], None] | None = None) -> None:
        """Wait for the end.

        Args:
            cancel: called when the wait is interrupted; by default that of this call.

        Raises:
            BaseException: what interrupted it, after the end; the third time immediately.
        """
        raised: list[BaseException] = []
        while not self.ended:
            try:
                self._ended.wait(LOOK_SECONDS)
                if not self._begun:
                    break  # a signal came before the wait
            except BaseException as error:
                raised.append(error)
                if len(raised) >= _PATIENCE:
                    self._session.give_up()
                    raise
                (cancel or self.cancel)()
        if raised:
            raise raised[0]

    def finish(self) -> None:
        """Cancel it if it has not ended, and wait until it has."""
        if self.ended or self._session.given_up:
            return
        if not self.unwanted:
            self.cancel()
        self.wait()

    def result(self, cancel: Callable[[], None] | None = None) -> Any:
        """Wait for the end; return the result.

        Raises:
            BaseException: the exception of the function, or the reason why there is no result.
        """
        self.wait(cancel)
        return self._result()

    def on_end(self, notify: Callable[[], None]) -> None:
        """Call a function, in any thread, at the end of the call; immediately if it has ended."""
        self._listeners.append(notify)
        if self.ended:
            self._tell()

    async def over(self) -> None:
        """Wait for the end as a coroutine, which may be cancelled."""
        await self._awaited().wait()

    def _awaited(self) -> asyncio.Event:
        """Return an event of the running loop that is set at the end."""
        import asyncio

        loop = asyncio.get_running_loop()
        over = asyncio.Event()

        def notify() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed
                loop.call_soon_threadsafe(over.set)

        self.on_end(notify)
        return over

    async def promised(self) -> Any:
        """Wait for the end as a coroutine; return the result. Cancelling the task cancels the call.

        Raises:
            BaseException: as with `result`.
        """
        over = self._awaited()
        raised: list[BaseException] = []
        while not over.is_set():
            try:
                await over.wait()
            except BaseException as error:
                raised.append(error)
                if len(raised) >= _PATIENCE:
                    self._session.give_up()
                    raise
                self.cancel()
        if raised:
            raise raised[0]
        return self._result()

    def _result(self) -> Any:
        if self._why == "timeout":
            raise CallTimeoutError(
                f"{self._session.target.name} took longer than {self._session.timeout:g} s",
                hint="Its container was stopped. call_timeout= in runtime, or .within(seconds), gives it more time.",
            )
        if self._why:
            raise CallCancelledError(f"the call of {self._session.target.name} was cancelled")
        if self._failure is not None:
            raise self._failure.with_traceback(None)  # without this module's own frames
        return self._value

    def _serve(self) -> None:
        self._begun = True
        try:
            if not self.unwanted:
                self._session.prepare()
            block_signals()  # the waiting thread handles signals
            if not self.unwanted:
                request, self._request = (
                    self._request,
                    ({}, []),
                )  # it may be large, so do not keep it
                self._value = self._session.run(self, request)
        except BaseException as error:  # noqa: BLE001 - raised by `result`
            self._failure = error
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._session.running.remove(self)
            self._end()

    def _end(self) -> None:
        self._ended.set()
        self._tell()

    def _tell(self) -> None:
        with contextlib.suppress(IndexError):  # each listener is called once, by the first thread
            while True:
                self._listeners.pop()()
