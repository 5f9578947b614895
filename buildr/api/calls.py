"""The call methods of a decorated function: `remote`, `map`, `spawn` and others; see docs/call-mode.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

from buildr.api.decoration import Decoration, callee_of, is_async, is_inside

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from concurrent.futures import Executor, Future
    from typing import Protocol

    from buildr.call.callee import Manner
    from buildr.call.map import AsyncResults, Results

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
T = TypeVar("T")

S_contra = TypeVar("S_contra", contravariant=True)
T_co = TypeVar("T_co", covariant=True)


if TYPE_CHECKING:

    class _TakesOne(Protocol[S_contra, T_co]):
        """A decorated function that can be called with one argument."""

        @property
        def local(self) -> Callable[[S_contra], T_co]: ...


class Calls(Generic[P, R]):
    """A function that can be called in a container.

    Attributes:
        local: the function itself, which runs in this process.
    """

    def __init__(self, function: Callable[P, R], decoration: Decoration) -> None:
        self.local = function
        self._decoration = decoration

    def remote(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run only this function in a container, with these arguments; return its result.

        Values that would arrive changed are refused: docs/call-mode.md says what can travel. For an ``async def`` it
        returns a coroutine. Inside a container the function just runs.

        Raises:
            EntryError: the container could not find the function: it is in no file, or inside another function.
            TransferError: an argument or the result cannot travel.
            RemoteError: the function raised an exception that is not built in, or its container ended without a result.
                Built-in exceptions are raised as they are, with the container's traceback as their cause.
            CallTimeoutError: it took longer than ``call_timeout``.
            CallCancelledError: `cancel` was called.
            BackendError: the engine failed; see `buildr.errors`.
        """
        if is_inside():
            return self.local(*args, **kwargs)
        from buildr.call import call, call_async

        begin = call_async if is_async(self.local) else call
        return cast("R", begin(callee_of(self.local, self._decoration), args, kwargs))

    @overload
    def map(  # type: ignore[overload-overlap] # an `async def` matches the next overload, too; the first match counts
        self: _TakesOne[S, Coroutine[Any, Any, T]],
        inputs: Iterable[S],
        /,
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> AsyncResults[T]: ...

    @overload
    def map(
        self: _TakesOne[S, T],
        inputs: Iterable[S],
        /,
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> Results[T]: ...

    @overload
    def map(  # type: ignore[overload-overlap] # as above
        self: Calls[..., Coroutine[Any, Any, T]],
        inputs: Iterable[Any],
        second: Iterable[Any],
        /,
        *more: Iterable[Any],
        concurrency: int | None = None,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> AsyncResults[T]: ...

    @overload
    def map(
        self: Calls[..., T],
        inputs: Iterable[Any],
        second: Iterable[Any],
        /,
        *more: Iterable[Any],
        concurrency: int | None = None,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> Results[T]: ...

    def map(
        self,
        inputs: Iterable[Any],
        /,
        *more: Iterable[Any],
        concurrency: int | None = None,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> Any:
        """Run this function in a container for each input; return the results in the order of the inputs.

        As with the built-in `map`, several inputs give several arguments, and the shortest ends it. Inputs are taken as they
        are needed. The first exception is raised where its result is due and ends the iteration: the other calls are
        cancelled, as they are when the iterator is closed or garbage-collected.

        Args:
            inputs: values of the first argument.
            more: values of further arguments.
            concurrency: how many containers run at a time; by default one for each CPU and at most four, and one
                where ``name`` or a port allows no more.
            ordered: whether results come in the order of the inputs, not as calls end.
            return_exceptions: whether an exception is the result of its call, and the other calls go on.

        Returns:
            An iterator with a ``close()``, or for an ``async def`` an asynchronous one with an ``aclose()``.

        Raises:
            OptionError: ``concurrency`` is not a number, is less than 1, or more than ``name`` or a port allows.
        """
        from buildr.call.callee import Manner

        manner = Manner(
            concurrency=concurrency, ordered=ordered, return_exceptions=return_exceptions
        )
        return self._many(zip(inputs, *more, strict=False), manner)

    @overload
    def starmap(  # type: ignore[overload-overlap] # as above
        self: Calls[..., Coroutine[Any, Any, T]],
        inputs: Iterable[Iterable[Any]],
        /,
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> AsyncResults[T]: ...

    @overload
    def starmap(
        self: Calls[..., T],
        inputs: Iterable[Iterable[Any]],
        /,
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> Results[T]: ...

    def starmap(
        self,
        inputs: Iterable[Iterable[Any]],
        /,
        *,
        concurrency: int | None = None,
        ordered: bool = True,
        return_exceptions: bool = False,
    ) -> Any:
        """Like `map`, but each input is a tuple with all arguments of a call, as for `itertools.starmap`."""
        from buildr.call.callee import Manner

        manner = Manner(
            concurrency=concurrency, ordered=ordered, return_exceptions=return_exceptions
        )
        return self._many(inputs, manner)

    def _many(self, inputs: Iterable[Iterable[Any]], manner: Manner) -> Any:
        if is_inside():
            from buildr.guest import here

            return here.starmap(self.local, inputs, return_exceptions=manner.return_exceptions)
        from buildr.call.map import AsyncResults, Results

        kind = AsyncResults if is_async(self.local) else Results
        return kind(callee_of(self.local, self._decoration), inputs, manner)

    @overload
    def spawn(
        self: Calls[Q, Coroutine[Any, Any, T]], /, *args: Q.args, **kwargs: Q.kwargs
    ) -> Future[T]: ...

    @overload
    def spawn(self: Calls[Q, T], /, *args: Q.args, **kwargs: Q.kwargs) -> Future[T]: ...

    def spawn(self, /, *args: Any, **kwargs: Any) -> Any:
        """Start a call in a container; return a future, whose ``result()`` returns or raises the same as `remote`.

        As with `map`, only some calls run at a time; the others wait. The future's ``cancel()`` also ends a running
        call. Calls that are still running when the program ends are cancelled.

        Raises:
            TypeError: the function does not take such arguments.
            TransferError: they cannot travel.
            EntryError: the function is in no file, or inside another function.
        """
        if is_inside():
            from buildr.guest import here

            return here.spawn(self.local, *args, **kwargs)
        from buildr.call.futures import spawn

        return spawn(callee_of(self.local, self._decoration), args, kwargs)

    def executor(self, max_workers: int | None = None) -> Executor:
        """Return an executor of this function, for libraries that accept one; like other executors, it is a context manager.

        Its ``submit`` calls this function; with ``call_format="pickle"`` every other one that can be pickled, too.

        Args:
            max_workers: how many calls run at a time; ``None``: as many as with `map`.

        Raises:
            OptionError: ``max_workers`` is not a number, is less than 1, or more than ``name`` or a port allows.
        """
        if is_inside():
            from buildr.guest import here

            return here.executor(self.local, max_workers)
        from buildr.call.futures import CallExecutor

        callee = callee_of(self.local, self._decoration)
        return CallExecutor(callee, (self, self.local), max_workers)
