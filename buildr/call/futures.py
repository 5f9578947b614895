"""Calls in the background: ``spawn``, and the executor of a function."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
from typing import TYPE_CHECKING, Any

from buildr.call.session import Session
from buildr.errors import CallCancelledError, TransferError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildr.call.callee import Callee
    from buildr.call.invocation import Call

__all__ = ["CallExecutor", "CallFuture", "spawn"]


class CallFuture(concurrent.futures.Future[Any]):
    """The future of a call. Unlike futures of other pools, it can be cancelled while the call runs.

    Args:
        call: the call, not yet started.
        when_over: called at the end, before the result is set.
    """

    def __init__(self, call: Call, when_over: Callable[[], None]) -> None:
        super().__init__()
        self._call = call
        self._when_over = when_over
        self._is_cancelled = False
        call.on_end(self._settle)

    def cancel(self) -> bool:
        """Cancel the call, even a running one: its worker gets SIGINT and, after the grace period, SIGKILL.

        Returns:
            Whether it is cancelled; then `result` raises `concurrent.futures.CancelledError`.
        """
        if self.done():
            return self.cancelled()
        self._is_cancelled = True
        self._call.cancel()
        return True

    def _settle(self) -> None:
        with contextlib.suppress(Exception):  # a failed release is not an error of the call
            self._when_over()
        try:
            value = self._call.result()
        except CallCancelledError as error:
            if self._is_cancelled:
                super().cancel()
                self.set_running_or_notify_cancel()
            else:
                self.set_exception(error)
        except BaseException as error:  # noqa: BLE001 - raised by `result`
            self.set_exception(error)
        else:
            self.set_result(value)


def spawn(callee: Callee, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> CallFuture:
    """Begin a call; return a future.

    Raises:
        TypeError: the function does not take such arguments.
        TransferError: they cannot travel.
        BuildrError: the function cannot be called at all; see `buildr.errors`.
    """
    session = Session(callee)
    try:
        call = session.new(args, kwargs)
        session.share_turns()
    except BaseException:
        session.close()
        raise
    future = CallFuture(call, session.close)
    call.start()
    return future


class CallExecutor(concurrent.futures.Executor):
    """An executor whose workers are containers of a function.

    It calls this function; with ``call_format="pickle"`` also others that can be pickled and that the container can
    import.

    Args:
        callee: the function.
        names: the objects that stand for it: itself and its ``local``.
        max_workers: how many calls run at a time; ``None``: as many as the options and the CPUs allow.
    """

    def __init__(self, callee: Callee, names: tuple[Any, ...], max_workers: int | None) -> None:
        self._names = names
        self._session = Session(callee, max_workers)
        self._futures: set[concurrent.futures.Future[Any]] = set()
        self._is_down = self._is_closed = False
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> CallFuture:
        """Begin a call; return a future.

        Raises:
            RuntimeError: it has been shut down.
            TypeError: the function does not take such arguments.
            TransferError: they cannot travel, or the function cannot.
        """
        if self._is_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if any(fn is name for name in self._names):
            call = self._session.new(args, kwargs)
        elif self._session.is_pickled:
            call = self._session.new_other(fn, args, kwargs)
        else:
            raise TransferError(
                f"the executor of {self._session.target.name} calls only that function, not {fn!r}",
                hint='With call_format="pickle" in runtime it calls others, too; docs/call-mode.md says why that is dangerous.',
            )
        future = CallFuture(call, lambda: None)
        self._futures.add(future)
        future.add_done_callback(self._on_done)
        call.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT002 - the signature of Executor
        """Accept no more calls; see `concurrent.futures.Executor.shutdown`. Workers stay for other calls."""
        if self._is_down:
            return
        self._is_down = True
        left = tuple(self._futures)
        if cancel_futures:
            for future in left:
                future.cancel()
        if wait:
            concurrent.futures.wait(left)
        self._close_if_done()

    def _on_done(self, future: concurrent.futures.Future[Any]) -> None:
        self._futures.discard(future)
        self._close_if_done()

    def _close_if_done(self) -> None:
        with self._lock:
            closes = self._is_down and not self._futures and not self._is_closed
            self._is_closed = self._is_closed or closes
        if closes:
            self._session.close()
