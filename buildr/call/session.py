"""The shared state of calls of one function: workers, argument encoding, and concurrency."""

from __future__ import annotations

import functools
import os
import threading
from typing import TYPE_CHECKING, Any, Self

from buildr.call import pools, result
from buildr.call.invocation import Call
from buildr.call.target import find
from buildr.call.turns import Turns, at_a_time
from buildr.errors import TransferError
from buildr.guest import transfer
from buildr.runners.protocol import WorkerCall

if TYPE_CHECKING:
    import inspect
    from collections.abc import Mapping

    from buildr.call.callee import Callee
    from buildr.call.invocation import Request
    from buildr.call.pools import Pool
    from buildr.runners.protocol import Workers


class Session:
    """Calls of one function; a context manager.

    Args:
        callee: the function.
        concurrency: the number of concurrent calls; ``None``: as many as the options and the CPUs allow.

    Attributes:
        target: the function and its location.
        running: the running calls.
        concurrency: the number of concurrent calls.
        timeout: the time limit of a guest, in seconds; ``None``: no limit.
        turns: the threads in which the calls run.
        given_up: whether running calls are no longer awaited.
    """

    def __init__(self, callee: Callee, concurrency: int | None = None) -> None:
        self.target = find(callee.function, named=callee.named)
        settings = callee.settings(self.target.entry)
        runtime = settings.runtime
        self.running = callee.running
        self.timeout = runtime.call_timeout
        self.concurrency = at_a_time(runtime, concurrency)
        self.turns = Turns(self.concurrency)
        self._owns_turns = True
        self._runtime = runtime
        self._pickled = runtime.call_format == "pickle"
        self._callee = callee
        self._settings = settings
        self._lock = threading.Lock()
        self._pool: Pool | None = None
        self.given_up = False

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End; all calls must have ended or been given up."""
        self.close()

    def new(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """Return a call with these arguments, not yet started.

        Raises:
            TypeError: the function does not take such arguments.
            TransferError: they cannot travel.
        """
        return Call(self, self._request(args, kwargs))

    @functools.cached_property
    def _signature(self) -> inspect.Signature:
        import inspect

        return inspect.signature(self.target.function)

    def _request(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Request:
        function = self.target.function
        self._signature.bind(*args, **kwargs)
        bound = None if self.target.of_class else getattr(function, "__self__", None)
        if bound is not None:
            args = (bound, *args)
        limit, what = self._runtime.call_limit, "the list of arguments"
        if self._pickled:
            return transfer.encode((args, kwargs), what, limit, pickled=True)
        names = [*self._names[: len(args)]]
        names += [f"argument {index + 1}" for index in range(len(names), len(args))]
        return transfer.encode(
            [list(args), kwargs], what, limit, function=function, names=names or ("",)
        )

    @functools.cached_property
    def _names(self) -> tuple[str, ...]:
        """The names of the first arguments, for errors."""
        function = self.target.function
        code = getattr(getattr(function, "__func__", function), "__code__", None)
        names = code.co_varnames[: code.co_argcount] if code is not None else ()
        return names[1:] if self.target.of_class else names

    def new_other(self, function: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """Return a call of another, pickled function in the same workers.

        Raises:
            TransferError: it or its arguments cannot travel.
        """
        limit = self._runtime.call_limit
        said, parts = transfer.encode(
            ((function, *args), kwargs), "the list of arguments", limit, pickled=True
        )
        return Call(self, ({**said, "other": True}, parts))

    @property
    def is_pickled(self) -> bool:
        """Whether arguments and results are pickled."""
        return self._pickled

    def prepare(self) -> None:
        """Prepare the shared resources, above all the image; only the first time.

        Raises:
            BuildrError: of any kind; see `buildr.errors`.
        """
        workers = self._opened()
        try:
            workers.prepare()
        except BaseException:
            pools.discard(self._pool)
            raise

    def _opened(self) -> Workers:
        with self._lock:
            if self._pool is None:
                self._pool = pools.acquire(self._callee, self.target, self._settings)
            return self._pool.workers

    def run(self, call: Call, request: Request) -> Any:
        """Run a call; return the value.

        Raises:
            BaseException: the exception of the function, if it is built in.
            BuildrError: of any kind; see `buildr.errors`.
        """
        limit, workers = self._runtime.call_limit, self._opened()
        said, parts = request
        head = {
            "module": self.target.module,
            "path": workers.prepare(),
            "spec": self.target.entry.module,
            "function": self.target.name,
            "of_class": self.target.of_class,
            "pickled": self._pickled,
            "limit": limit,
            **said,
        }
        answer = workers.run(
            WorkerCall(
                parts=(transfer.head_line(head, sum(map(len, parts))), *parts),
                answer_bytes=limit + result.HEAD_BYTES,
                cancellation=call.cancellation,
                on_start=call.started,
            )
        )
        if call.unwanted:
            return None  # with any outcome
        if not answer.message or (answer.status and transfer.parse(answer.message) is None):
            result.absent(answer.status, self.target)
        return result.read(
            answer.message, self.target, pickled=self._pickled, limit=limit, hide=self._hide
        )

    def _hide(self, report: Any) -> Any:
        from buildr.call.hiding import hider  # only errors need it

        return hider(self._runtime, self.target.entry.directory or os.getcwd())(report)

    def give_up(self) -> None:
        """Stop waiting; the runner ends running calls."""
        self.given_up = True
        if self._pool is not None:
            pools.discard(self._pool)
            self._pool.workers.give_up()

    def share_turns(self) -> None:
        """Share the concurrency limit with calls of the function that do not belong to this session.

        Raises:
            BuildrError: see `buildr.call.pools.acquire`.
        """
        self._opened()
        assert self._pool is not None  # noqa: S101 - it has been opened
        self.turns = self._pool.turns
        self._owns_turns = False

    def close(self) -> None:
        """Release the shared resources; the workers stay for other calls."""
        if self._owns_turns:
            self.turns.close()
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None and not self.given_up:
            pools.release(pool)


def refused(error: Exception) -> bool:
    """Whether an error is about the arguments, and so concerns only one call of many."""
    return isinstance(error, TransferError | TypeError)
