"""`Containerized`, the type of decorated functions."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast, overload

from buildr.api.calls import Calls
from buildr.api.decoration import Decoration, is_inside, move, never_called

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

P = ParamSpec("P")
R = TypeVar("R")
Q = ParamSpec("Q")
S = TypeVar("S")
T = TypeVar("T")


class Containerized(Calls[P, R]):
    """A function whose call moves the whole script into a container.

    On the host, calling it builds and runs; the process then ends with the guest's exit status. In the container,
    calling it just runs the function. `remote` and `map` run only this function in a container and return its result:
    docs/call-mode.md.

    Attributes:
        local: the function itself, which runs in this process.
    """

    def __init__(self, function: Callable[P, R], decoration: Decoration) -> None:
        functools.update_wrapper(self, function)
        super().__init__(function, decoration)

    def __dir__(self) -> list[str]:
        """Return only the documented names, for completion at a prompt."""
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
        """Bind like the callable itself, so that methods can be decorated, including static and class methods."""
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
