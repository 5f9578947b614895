"""The decorator: `Containerize`."""

from __future__ import annotations

import functools
import sys
import threading
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from buildr import console
from buildr.entry import is_main_script, running_entry
from buildr.errors import BuildrError
from buildr.guest.detection import detect
from buildr.options import complete_package, complete_runtime, given_package, given_runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    from buildr.config import Settings
    from buildr.entry import Entry
    from buildr.options import PackageOptions, RuntimeOptions
    from buildr.signals import Signals

P = ParamSpec("P")
R = TypeVar("R")
Q = ParamSpec("Q")
S = TypeVar("S")
T = TypeVar("T")


class Containerized(Generic[P, R]):
    """A function whose call moves the whole script into a container.

    On the host, calling it builds and runs; the process then ends with the guest's exit status. In the
    container, calling it just runs the function.

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
        self._running: list[Signals] = []

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the script in a container and leave with its status; or, inside one, run the function.

        Under ``python -i`` and IPython's ``%run`` it returns ``None`` when the status is 0.

        Raises:
            SystemExit: with the guest's exit status.
            EntryError: what was started is no script that can move into a container.
        """
        found = detect()
        for warning in found.warnings:
            console.warn(warning)
        if found.inside:
            if not found.explicit:
                console.say(
                    f"this is a container already ({found.reason}), so the script runs here;"
                    " BUILDR_IN_CONTAINER=0 says otherwise"
                )
            return self.local(*args, **kwargs)
        return cast("R", self._move())

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
        method = MethodType(self.local, instance)
        bound: Containerized[..., Any] = Containerized(method, self._package, self._runtime)
        bound._running = self._running  # so that `cancel` means the same run
        return bound

    def cancel(self) -> None:
        """Stop the container that this function's call runs now, as Ctrl+C does; from any thread.

        The guest gets SIGINT, and after its grace SIGKILL; the call then leaves with status 0. Without a running
        container nothing happens.
        """
        for signals in tuple(self._running):
            signals.request_cancel()

    def _settings(self, entry: Entry) -> Settings:
        """Return the options that hold for a program: the decorator's with those of all other places."""
        from buildr.config import settle
        from buildr.config.layers import DECORATOR, Layer

        own = Layer(package=self._package, runtime=self._runtime, origin=DECORATOR)
        return settle(entry, own)

    def _move(self) -> Any:
        from buildr.action import guarded, run_entry

        try:
            entry = running_entry()
        except BuildrError as error:
            if is_main_script(self.local.__module__):
                fail(error)
            raise

        def action(signals: Signals) -> int:
            self._running.append(signals)
            try:
                settings = self._settings(entry)
                return run_entry(
                    entry,
                    settings.package,
                    settings.runtime,
                    signals,
                    origins=settings.origins,
                )
            finally:
                self._running.remove(signals)

        status = guarded(action)
        if entry.interactive and status == 0:
            return None
        leave(status)


@overload
def Containerize(function: Callable[P, R], /) -> Containerized[P, R]: ...


@overload
def Containerize(
    function: None = None,
    /,
    *,
    package: PackageOptions | Mapping[str, Any] | None = None,
    runtime: RuntimeOptions | Mapping[str, Any] | None = None,
) -> Callable[[Callable[P, R]], Containerized[P, R]]: ...


def Containerize(  # noqa: N802 - the ancestor's name, which scripts know
    function: Callable[..., Any] | None = None,
    /,
    *,
    package: PackageOptions | Mapping[str, Any] | None = None,
    runtime: RuntimeOptions | Mapping[str, Any] | None = None,
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

    Raises:
        OptionError: an option has a wrong name, type or value. When the decorated function is in the script
            itself, the error is told in plain words and the process ends with status 125 instead.
    """
    module = function.__module__ if function is not None else _caller_module()
    try:
        valid_package, valid_runtime = given_package(package), given_runtime(runtime)
        # What they lack may be given elsewhere; what excludes one another here will not be mended there.
        complete_package(valid_package, alone=False)
        complete_runtime(valid_runtime)
    except BuildrError as error:
        if is_main_script(module):
            fail(error)
        raise

    def decorate(target: Callable[..., Any]) -> Containerized[..., Any]:
        return Containerized(target, valid_package, valid_runtime)

    return decorate if function is None else decorate(function)


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
