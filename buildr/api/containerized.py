"""`Containerized`: what the decorator makes of a function."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from buildr.api.decoration import (
    Decoration,
    callee_of,
    is_async,
    is_inside,
    move,
    never_called,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from typing import Protocol, Self

    from buildr.call.map import AsyncResults, Results

P = ParamSpec("P")
R = TypeVar("R")
Q = ParamSpec("Q")
S = TypeVar("S")
T = TypeVar("T")

S_contra = TypeVar("S_contra", contravariant=True)
T_co = TypeVar("T_co", covariant=True)


if TYPE_CHECKING:

    class _TakesOne(Protocol[S_contra, T_co]):
        """A decorated function that can be called with one argument."""

        @property
        def local(self) -> Callable[[S_contra], T_co]: ...


class Containerized(Generic[P, R]):
    """A function whose call moves the whole script into a container.

    On the host, calling it builds and runs; the process then ends with the guest's exit status. In the
    container, calling it just runs the function. `remote` and `map` run this function alone in a container, and its
    result comes back: docs/call-mode.md.

    Attributes:
        local: the function itself, which runs here and now.
    """

    def __init__(self, function: Callable[P, R], decoration: Decoration) -> None:
        functools.update_wrapper(self, function)
        self.local = function
        self._decoration = decoration

    def __dir__(self) -> list[str]:
        """Return the names that a prompt completes: those that are documented."""
        return [name for name in super().__dir__() if name[0] != "_" or name[:2] == "__"]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the script in a container and leave with its status; or, inside one, run the function.

        Under ``python -i`` and IPython's ``%run`` it returns ``None`` when the status is 0.

        Raises:
            SystemExit: with the guest's exit status.
            EntryError: what was started is not a script that can move into a container.
        """
        never_called.clear()
        if is_inside():
            return self.local(*args, **kwargs)
        return cast("R", move(self.local, self._decoration))

    def remote(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run this function alone in a container, with these arguments; return what it returns.

        Arguments and result travel as JSON, and what JSON would change is refused. For an ``async def`` it returns
        a coroutine. Inside a container the function just runs.

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
    def map(  # type: ignore[overload-overlap] # an `async def` is a case of the next one, too, and the first match counts
        self: _TakesOne[S, Coroutine[Any, Any, T]],
        inputs: Iterable[S],
        /,
        *,
        concurrency: int | None = None,
    ) -> AsyncResults[T]: ...

    @overload
    def map(
        self: _TakesOne[S, T], inputs: Iterable[S], /, *, concurrency: int | None = None
    ) -> Results[T]: ...

    @overload
    def map(  # type: ignore[overload-overlap] # likewise
        self: Containerized[..., Coroutine[Any, Any, T]],
        inputs: Iterable[Any],
        second: Iterable[Any],
        /,
        *more: Iterable[Any],
        concurrency: int | None = None,
    ) -> AsyncResults[T]: ...

    @overload
    def map(
        self: Containerized[..., T],
        inputs: Iterable[Any],
        second: Iterable[Any],
        /,
        *more: Iterable[Any],
        concurrency: int | None = None,
    ) -> Results[T]: ...

    def map(
        self, inputs: Iterable[Any], /, *more: Iterable[Any], concurrency: int | None = None
    ) -> Any:
        """Run this function in a container for each input; give the results in the order of the inputs.

        As with the built-in `map`, several inputs give several arguments, and the shortest ends it. Inputs are taken as they
        are needed. The first exception is raised where its result is due and ends the iteration: the other calls are
        cancelled, as they are when the iterator is closed or garbage-collected.

        Args:
            inputs: values of the first argument.
            more: values of further arguments.
            concurrency: how many containers run at a time; by default one for each CPU and at most four, and one
                where ``name`` or a port allows no more.

        Returns:
            An iterator with a ``close()``, or for an ``async def`` an asynchronous one with an ``aclose()``.

        Raises:
            OptionError: ``concurrency`` is not a number, is less than 1, or more than ``name`` or a port allows.
        """
        if is_inside():
            from buildr.guest.api import map_here

            return map_here(self.local, (inputs, *more))
        from buildr.call.map import AsyncResults, Results

        kind = AsyncResults if is_async(self.local) else Results
        return kind(callee_of(self.local, self._decoration), (inputs, *more), concurrency)

    def within(self, seconds: float | None) -> Containerized[P, R]:
        """Return the same function with another ``call_timeout``: ``main.within(30).remote(x)``.

        Args:
            seconds: how long a call may run, without the build; ``None``: no limit.

        Raises:
            OptionError: it is not a number of seconds.
        """
        from buildr.options.errors import InvalidValueError
        from buildr.options.runtime_values import call_timeout

        try:
            valid = None if seconds is None else call_timeout(seconds)
        except InvalidValueError as error:
            raise error.of("seconds") from None
        decoration = self._decoration
        return Containerized(
            self.local,
            Decoration(decoration.package, decoration.runtime, (valid,), decoration.running),
        )

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...

    @overload
    def __get__(
        self: Containerized[Concatenate[S, Q], T], instance: S, owner: type | None = None
    ) -> Containerized[Q, T]: ...

    def __get__(self, instance: object, owner: type | None = None) -> Containerized[..., Any]:
        """Bind as the callable itself would, so that methods can be decorated, static and class methods too."""
        bind = getattr(self.local, "__get__", None)
        bound = self.local if bind is None else bind(instance, owner)
        return self if bound is self.local else Containerized(bound, self._decoration)

    def cancel(self) -> None:
        """Stop the containers that are running for calls of this function, as Ctrl+C does; from any thread.

        The guest gets SIGINT and, after its grace period, SIGKILL. A call of the whole script then ends the process with status 0;
        one by `remote` or `map` raises `buildr.errors.CallCancelledError`. If no container is running, nothing happens.
        """
        for one in tuple(self._decoration.running):
            one.request_cancel()
