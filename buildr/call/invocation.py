"""One call: a thread that runs its container, and the ways to wait for it and to end it.

No signal handler is installed. A wait on the main thread is interrupted there as in any other wait, by whatever the
program's own handlers raise: then the guest is asked to end, and the exception goes on when it has ended.
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
        """What the calls of one function share; a `buildr.call.session.Session` is one."""

        target: Target
        running: list[Any]
        timeout: float | None
        given_up: bool
        turns: Turns

        def prepare(self) -> object:
            """Reach the engine and find or build the image."""
            ...

        def run(self, call: Call, request: Request) -> Any:
            """Run a call in a worker; return the value."""
            ...

        def give_up(self) -> None:
            """Leave what still runs to the watchdog."""
            ...


LOOK_SECONDS = 1.0
"""Between two looks of a wait: a signal that came just before it began is seen after that, at the latest."""
_PATIENCE = 3  # interrupts until even an orderly end is given up


class Call:
    """One call, which `start` begins.

    Args:
        session: its engine and image.
        request: the arguments, as `buildr.guest.transfer.encode` returns them.
        failure: raised where the result is due, in place of a call.

    Attributes:
        cancellation: asks the worker for an end.
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
        """Whether all is over; of a call that was cancelled the container's removal, too."""
        return self._ended.is_set()

    @property
    def unwanted(self) -> bool:
        """Whether the end has been asked for already."""
        return bool(self._why)

    def start(self) -> None:
        """Begin, in a thread of the session's."""
        if self._failure is not None:
            self._end()
            return
        self._session.running.append(self)
        self._session.turns.give(self._serve)
        self._begun = True

    def started(self) -> None:
        """Note that the function is about to run: from now on its time counts."""
        if self._session.timeout is not None:
            self._timer = threading.Timer(self._session.timeout, self.cancel, ("timeout",))
            self._timer.daemon = True
            self._timer.start()

    def request_cancel(self) -> None:
        """See `cancel`."""
        self.cancel()

    def cancel(self, why: str = "cancelled") -> None:
        """Ask for the end: SIGINT and, after the grace or when asked once more, SIGKILL; from any thread."""
        if self.ended or (why == "timeout" and self._why):
            return
        self._why = self._why or why
        self.cancellation.ask()

    def wait(self, cancel: Callable[[], None] | None = None) -> None:
        """Wait for the end.

        Args:
            cancel: called when the wait is interrupted; by default this call's own.

        Raises:
            BaseException: what interrupted it, after the end; the third time at once.
        """
        raised: list[BaseException] = []
        while not self.ended:
            try:
                self._ended.wait(LOOK_SECONDS)
                if not self._begun:
                    break  # a signal came before it could begin
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
            BaseException: what the function raised, or why there is no result.
        """
        self.wait(cancel)
        return self._result()

    def on_end(self, notify: Callable[[], None]) -> None:
        """Call something, in any thread, when all is over; at once if it is."""
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
            with contextlib.suppress(RuntimeError):  # the loop is closed
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
            block_signals()  # they are for the thread that waits
            if not self.unwanted:
                request, self._request = self._request, ({}, [])  # it may be large
                self._value = self._session.run(self, request)
        except BaseException as error:  # noqa: BLE001 - raised where the result is due
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
        with contextlib.suppress(IndexError):  # each listener once, whichever thread comes first
            while True:
                self._listeners.pop()()
