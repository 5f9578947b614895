"""Many calls: `map` over inputs, a few containers at a time, results in the order of the inputs."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from buildr.call.invocation import LOOK_SECONDS, Call
from buildr.call.session import Session, refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from buildr.call.callee import Callee, Manner

T = TypeVar("T")

_AHEAD = 2  # started calls whose results were not consumed yet, as a multiple of `concurrency`


class _Many(Generic[T]):
    """The base of both iterators: calls are started ahead of the consumed results."""

    def __init__(self, callee: Callee, inputs: Iterable[Iterable[Any]], manner: Manner) -> None:
        self._pending: deque[Call] = deque()
        self._over = True  # until the iterator is set up
        self._inputs: Iterator[Iterable[Any]] = iter(inputs)
        self._manner = manner
        self._ended: SimpleQueue[Call] = SimpleQueue()  # for unordered results
        self._session = Session(callee, manner.concurrency)
        self._ahead = self._session.concurrency * _AHEAD
        self._over = False

    def _begin(self) -> None:
        """Start as many calls as allowed."""
        while len(self._pending) < self._ahead:
            args = next(self._inputs, None)
            if args is None:
                return
            try:
                call = self._session.new(tuple(args), {})
            except Exception as error:
                if not refused(error):
                    raise
                call = Call(self._session, ({}, []), failure=error)
            self._pending.append(call)
            if not self._manner.ordered:
                call.on_end(functools.partial(self._ended.put, call))
            call.start()

    def _take(self, call: Call) -> None:
        self._pending.remove(call)

    def _kept(self, error: Exception) -> Exception:
        """Return the exception of a call as its result.

        Raises:
            Exception: the exception itself, unless exceptions are to be returned.
        """
        if not self._manner.return_exceptions:
            raise error
        return error

    def _cancel(self) -> None:
        for call in tuple(self._pending):
            call.cancel()

    def _end(self) -> None:
        """Cancel all started calls, except for cancelled ones: a second request would cut their grace period short."""
        self._over = True
        for call in tuple(self._pending):
            if not call.unwanted:
                call.cancel()

    def _settle(self) -> None:
        """Wait until all started calls have ended."""
        raised: list[BaseException] = []
        while self._pending and not self._session.given_up:
            try:
                self._pending[0].wait(self._cancel)
            except BaseException as error:  # noqa: BLE001 - raised after all calls have ended
                raised.append(error)
            self._pending.popleft()
        self._session.close()
        if raised:
            raise raised[0]

    def __del__(self) -> None:
        """Cancel the started calls, whose results are no longer wanted."""
        if self._over:
            return
        self._end()
        with contextlib.suppress(RuntimeError):  # the interpreter ends; the watchdog cleans up
            threading.Thread(target=self._settle, name="buildr-calls", daemon=True).start()


class Results(_Many[T]):
    """The results of `Containerized.map`: an iterator, and a context manager that closes it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        try:
            self._session.prepare()
            self._begin()
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> T:
        """Wait for the next result.

        Raises:
            BaseException: the exception of the function for this input; the other calls are then cancelled.
        """
        if self._over:
            raise StopIteration
        try:
            self._begin()
            if self._pending:
                value: T = self._next()
                self._begin()
                return value
        except BaseException:
            self.close()
            raise
        self.close()
        raise StopIteration

    def _next(self) -> T:
        call = self._pending[0] if self._manner.ordered else self._first()
        try:
            value: Any = call.result(self._cancel)
        except Exception as error:
            if isinstance(error, StopIteration) and not self._manner.return_exceptions:
                # It would look like the end of the results: PEP 479.
                raise RuntimeError("the function raised StopIteration") from error
            value = self._kept(error)
        self._take(call)
        return cast("T", value)

    def _first(self) -> Call:
        """Wait for the first call that ends; return it."""
        while True:
            with contextlib.suppress(Empty):
                # A signal just before the wait is noticed after at most this time.
                return self._ended.get(timeout=LOOK_SECONDS)

    def close(self) -> None:
        """Cancel the remaining calls, and wait until they have ended."""
        if self._over:
            return
        self._end()
        self._settle()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """See `close`."""
        self.close()


class AsyncResults(_Many[T]):
    """The results of `Containerized.map` of an ``async def``: an asynchronous iterator, closed by ``aclose``."""

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> T:
        """Wait for the next result.

        Raises:
            BaseException: the exception of the function for this input; the other calls are then cancelled.
        """
        if self._over:
            raise StopAsyncIteration
        try:
            self._begin()
            if self._pending:
                value = await self._next()
                self._begin()
                return value
        except BaseException:
            await self.aclose()
            raise
        await self.aclose()
        raise StopAsyncIteration

    async def _next(self) -> T:
        call = self._pending[0] if self._manner.ordered else await self._first()
        try:
            value: Any = await call.promised()
        except Exception as error:  # noqa: BLE001 - any exception of the function
            value = self._kept(error)
        self._take(call)
        return cast("T", value)

    async def _first(self) -> Call:
        """Wait for the first call that ends; return it."""
        import asyncio

        waits = [asyncio.ensure_future(call.over()) for call in self._pending]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return next(call for call in self._pending if call.ended)

    async def aclose(self) -> None:
        """Cancel the remaining calls, and wait until they have ended."""
        import asyncio

        if self._over:
            return
        self._end()
        await asyncio.shield(asyncio.to_thread(self._settle))

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """See `aclose`."""
        await self.aclose()
