"""The decorator: `Containerize`."""

from __future__ import annotations

import functools
import sys
import threading
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from buildr._gc import Uncollected
from buildr.errors import BuildrError
from buildr.guest.detection import detect
from buildr.host import console
from buildr.options import complete_package, complete_runtime, read_package, read_runtime
from buildr.plan.entry import is_main_script, running_entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
    from typing import Protocol, Self

    from buildr.call import Callee, Cancelled
    from buildr.call.map import AsyncResults, Results
    from buildr.config import Settings
    from buildr.host.signals import Signals
    from buildr.options import PackageOptions, RuntimeOptions
    from buildr.options.typed_dicts import PackageDict, RuntimeDict
    from buildr.plan.entry import Entry

P = ParamSpec("P")
R = TypeVar("R")
Q = ParamSpec("Q")
S = TypeVar("S")
T = TypeVar("T")

S_contra = TypeVar("S_contra", contravariant=True)
T_co = TypeVar("T_co", covariant=True)

_COROUTINE = 0x80  # inspect.CO_COROUTINE
_uncalled: list[Callable[..., Any]] = []
"""What the script decorates, until one of them is called."""


if TYPE_CHECKING:

    class _TakesOne(Protocol[S_contra, T_co]):
        """A decorated function that one argument is enough for."""

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

    def __init__(
        self, function: Callable[P, R], package: Mapping[str, Any], runtime: Mapping[str, Any]
    ) -> None:
        functools.update_wrapper(self, function)
        self.local = function
        self._package = package
        self._runtime = runtime
        self._within: tuple[float | None] | None = None
        self._running: list[Cancelled] = []

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the script in a container and leave with its status; or, inside one, run the function.

        Under ``python -i`` and IPython's ``%run`` it returns ``None`` when the status is 0.

        Raises:
            SystemExit: with the guest's exit status.
            EntryError: what was started is no script that can move into a container.
        """
        _uncalled.clear()
        if _is_inside():
            return self.local(*args, **kwargs)
        return cast("R", self._move())

    def remote(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run this function alone in a container, with these arguments; return what it returns.

        Arguments and result travel as JSON, and what JSON would change is refused. The function of an ``async def`` gives
        a coroutine here, too. Inside a container it just runs.

        Raises:
            EntryError: the container could not find the function: it is in no file, or inside another function.
            TransferError: an argument or the result cannot travel.
            RemoteError: the function raised an exception that is not built in, or its container ended without a result.
                Built-in exceptions are raised as they are, with the container's traceback as their cause.
            CallTimeoutError: it took longer than ``call_timeout``.
            CallCancelledError: `cancel` was called.
            BackendError: the engine failed; see `buildr.errors`.
        """
        if _is_inside():
            return self.local(*args, **kwargs)
        from buildr.call import call, call_async

        begin = call_async if self._is_async else call
        return cast("R", begin(self._callee(), args, kwargs))

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
        are needed. The first exception is raised where its result is due, and ends it: the other calls are cancelled,
        as they are when the iterator is closed or forgotten.

        Args:
            inputs: of the first argument.
            more: of further ones.
            concurrency: how many containers run at a time; by default one for each CPU and at most four, and one
                where ``name`` or a port allows no more.

        Returns:
            An iterator with a ``close()``, or for an ``async def`` an asynchronous one with an ``aclose()``.

        Raises:
            OptionError: ``concurrency`` is no number from 1 on, or more than ``name`` or a port allows.
        """
        from buildr.call.map import AsyncResults, Results

        kind = AsyncResults if self._is_async else Results
        if _is_inside():
            return _mapped_here(self.local, (inputs, *more), is_async=self._is_async)
        return kind(self._callee(), (inputs, *more), concurrency)

    def within(self, seconds: float | None) -> Containerized[P, R]:
        """Return the same function with another ``call_timeout``: ``main.within(30).remote(x)``.

        Args:
            seconds: how long a call may run, without the build; ``None``: for ever.

        Raises:
            OptionError: it is no number of seconds.
        """
        from buildr.options.errors import InvalidValueError
        from buildr.options.runtime_values import call_timeout

        try:
            valid = None if seconds is None else call_timeout(seconds)
        except InvalidValueError as error:
            raise error.of("seconds") from None
        return self._like(self.local, (valid,))

    def _callee(self) -> Callee:
        from buildr.call import Callee

        _uncalled.clear()
        return Callee(
            function=self.local,
            settle=self._settings,
            named=self._package.get("context") is not None,
            within=self._within,
            running=self._running,
        )

    @property
    def _is_async(self) -> bool:
        code = getattr(self.local, "__code__", None)  # `inspect` costs an import
        return code is not None and bool(code.co_flags & _COROUTINE)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...

    @overload
    def __get__(
        self: Containerized[Concatenate[S, Q], T], instance: S, owner: type | None = None
    ) -> Containerized[Q, T]: ...

    def __get__(self, instance: object, owner: type | None = None) -> Containerized[..., Any]:
        """Bind like a function, so that a method may be decorated too."""
        if instance is None:
            return self
        return self._like(MethodType(self.local, instance), self._within)

    def _like(
        self, function: Callable[Q, T], within: tuple[float | None] | None
    ) -> Containerized[Q, T]:
        other = Containerized(function, self._package, self._runtime)
        other._within = within
        other._running = self._running  # so that `cancel` means the same runs
        return other

    def cancel(self) -> None:
        """Stop the containers that calls of this function run now, as Ctrl+C does; from any thread.

        The guest gets SIGINT, and after its grace SIGKILL; the call then leaves with status 0, one by `remote` or `map`
        raises `buildr.errors.CallCancelledError`. Without a running container nothing happens.
        """
        for one in tuple(self._running):
            one.request_cancel()

    def _settings(self, entry: Entry) -> Settings:
        """Return the options that hold for a program: the decorator's with those of all other places."""
        from buildr.config import settle
        from buildr.config.layers import DECORATOR, Layer

        own = Layer(package=self._package, runtime=self._runtime, origin=DECORATOR)
        return settle(entry, own)

    def _move(self) -> Any:
        with Uncollected():
            from buildr.host.exit_status import exit_status_of
            from buildr.runners.plan import plan_run
            from buildr.runners.registry import runner

        try:
            entry = running_entry()
        except BuildrError as error:
            if is_main_script(self.local.__module__):
                fail(error)
            raise

        def action(signals: Signals) -> int:
            self._running.append(signals)
            try:
                plan = plan_run(entry, self._settings(entry))
                return runner(plan.choices.runner).run(plan, signals)
            finally:
                self._running.remove(signals)

        status = exit_status_of(action)
        if entry.interactive and status == 0:
            return None
        leave(status)


def _is_inside() -> bool:
    """Whether this is a container already; say so where only evidence tells."""
    found = detect()
    for warning in found.warnings:
        console.warn(warning)
    if found.inside and not found.explicit:
        console.say(
            f"this is a container already ({found.reason}), so the script runs here;"
            " BUILDR_IN_CONTAINER=0 says otherwise"
        )
    return found.inside


def _mapped_here(
    function: Callable[..., Any], inputs: tuple[Iterable[Any], ...], *, is_async: bool
) -> Any:
    """Do without containers what `Containerized.map` does."""
    if not is_async:
        return (function(*args) for args in zip(*inputs, strict=False))

    async def results() -> AsyncIterator[Any]:
        for args in zip(*inputs, strict=False):
            yield await function(*args)

    return results()


@overload
def Containerize(function: Callable[P, R], /) -> Containerized[P, R]: ...


@overload
def Containerize(
    function: None = None,
    /,
    *,
    package: PackageOptions | PackageDict | None = None,
    runtime: RuntimeOptions | RuntimeDict | None = None,
) -> Callable[[Callable[P, R]], Containerized[P, R]]: ...


def Containerize(  # noqa: N802 - the ancestor's name, which scripts know
    function: Callable[..., Any] | None = None,
    /,
    *,
    package: PackageOptions | Mapping[str, Any] | None = None,
    runtime: RuntimeOptions | Mapping[str, Any] | None = None,
    **others: Any,
) -> Any:
    """Let a call of this function run the whole script in a container.

    ::

        @Containerize(package={"name": "hello"}, runtime={"ports": [8080]})
        def main() -> None:
            print("hello from the container")

    Args:
        function: when used without parentheses.
        package: how the image is built; see `buildr.PackageOptions`.
        runtime: how the container runs; see `buildr.RuntimeOptions`.
        others: none is taken; each is an error that says in which of the two it belongs.

    Raises:
        OptionError: an option has a wrong name, type or value, or stands in neither of the two. When the decorated function is in the script
            itself, the error is told in plain words and the process ends with status 125 instead.
    """
    module = getattr(function, "__module__", None) or _caller_module()
    try:
        if others or not (function is None or callable(function)):
            from buildr.api.misplaced_options import misplaced

            raise misplaced(function, others)
        valid_package, valid_runtime = read_package(package), read_runtime(runtime)
        # What they lack may be given elsewhere; what excludes one another here will not be mended there.
        complete_package(valid_package, alone=False)
        complete_runtime(valid_runtime)
    except BuildrError as error:
        if is_main_script(module):
            fail(error)
        raise

    def decorate(target: Callable[..., Any]) -> Containerized[..., Any]:
        if is_main_script(module):
            _expect_a_call(target)
        return Containerized(target, valid_package, valid_runtime)

    return decorate if function is None else decorate(function)


def _expect_a_call(function: Callable[..., Any]) -> None:
    """See to it that a script that ends without any call of what it decorates says so."""
    script = sys.modules["__main__"]

    def tell() -> None:
        # Another one by then: somebody else has run the script, as `runpy` does.
        if _uncalled and sys.modules.get("__main__") is script:
            from buildr.api import missing_call

            missing_call.tell(_uncalled)
            _uncalled.clear()  # once, though this may have been registered again after a call

    if not _uncalled:
        import atexit

        atexit.register(tell)
    _uncalled.append(function)


def leave(status: int) -> None:
    """End the process with a status, from whichever thread this is.

    Raises:
        SystemExit: always. Off the main thread Python swallows it, so there the status is also kept for the end
            of the process.
    """
    if threading.current_thread() is not threading.main_thread():
        _end_with(status)
    raise SystemExit(status)


def fail(error: BuildrError) -> None:
    """Tell an error and end the process with its exit code.

    Raises:
        SystemExit: always.
    """
    console.error(str(error))
    leave(error.exit_code)


def _end_with(status: int) -> None:
    import atexit
    import os

    def end() -> None:
        # Exit functions cannot set a status otherwise; the remaining ones run first, as they would have.
        atexit.unregister(end)
        atexit._run_exitfuncs()  # noqa: SLF001 - the documented module has no other way to run them
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        os._exit(status)

    atexit.register(end)


def _caller_module() -> str:
    return str(sys._getframe(2).f_globals.get("__name__", ""))  # noqa: SLF001 - as warnings does it
