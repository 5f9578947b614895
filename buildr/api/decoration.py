"""The options of a decorated function, and the effects of calling it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from buildr._gc import Uncollected
from buildr.errors import BuildrError
from buildr.guest.detection import detect
from buildr.host import console
from buildr.plan.entry import is_main_script, running_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildr.call import Callee, Cancelled
    from buildr.config import Settings
    from buildr.host.signals import Signals
    from buildr.plan.entry import Entry

_COROUTINE = 0x80  # inspect.CO_COROUTINE

never_called: list[Callable[..., Any]] = []
"""The functions that the script decorates, until one of them is called."""


class Decoration:
    """The options of a decorated function, and its runs and calls in progress.

    Args:
        package: the options of the image, each valid by itself.
        runtime: the options of the run, each valid by itself.
        within: replaces the option ``call_timeout``.
        running: the runs and calls of the function that are in progress; shared by all objects for this function.
    """

    __slots__ = ("package", "running", "runtime", "within")

    def __init__(
        self,
        package: Mapping[str, Any],
        runtime: Mapping[str, Any],
        within: tuple[float | None] | None = None,
        running: list[Cancelled] | None = None,
    ) -> None:
        self.package = package
        self.runtime = runtime
        self.within = within
        self.running: list[Cancelled] = [] if running is None else running


def move(function: Callable[..., Any], decoration: Decoration) -> Any:
    """Run the script in a container, and end this process with its status."""
    from buildr.host.ending import Held

    with Held():
        return _move(function, decoration)


def _move(function: Callable[..., Any], decoration: Decoration) -> Any:
    with Uncollected():
        from buildr.api.ending import fail, leave
        from buildr.host.exit_status import exit_status_of
        from buildr.runners.plan import plan_run
        from buildr.runners.registry import runner

    try:
        entry = running_entry()
    except BuildrError as error:
        if is_main_script(function.__module__):
            fail(error)
        raise

    def run(signals: Signals) -> int:
        decoration.running.append(signals)
        try:
            plan = plan_run(entry, settings_for(decoration, entry))
            return runner(plan.choices.runner).run(plan, signals)
        finally:
            decoration.running.remove(signals)

    status = exit_status_of(run, leave=None if entry.interactive else leave)
    if status == 0:
        return None
    leave(status)


def callee_of(function: Callable[..., Any], decoration: Decoration) -> Callee:
    """Return what a call needs to know about a decorated function; mark the function as called."""
    from buildr.call import Callee

    never_called.clear()
    return Callee(
        function=function,
        settle=functools.partial(settings_for, decoration),
        named=decoration.package.get("context") is not None,
        within=decoration.within,
        running=decoration.running,
    )


def settings_for(decoration: Decoration, entry: Entry) -> Settings:
    """Return the effective options of a program: those of the decorator merged with all other places."""
    from buildr.config import settle
    from buildr.config.layers import DECORATOR, Layer

    own = Layer(package=decoration.package, runtime=decoration.runtime, origin=DECORATOR)
    return settle(entry, own)


def is_async(function: Callable[..., Any]) -> bool:
    """Whether a function is an ``async def``."""
    plain = getattr(function, "__func__", function)
    code = getattr(plain, "__code__", None)  # `inspect` costs an import
    return code is not None and bool(code.co_flags & _COROUTINE)


def is_inside() -> bool:
    """Whether this is already a container; print a message if only indirect evidence shows it."""
    found = detect()
    for warning in found.warnings:
        console.warn(warning)
    if found.inside and not found.explicit:
        console.say(
            f"this is already a container ({found.reason}), so the script runs here;"
            " BUILDR_IN_CONTAINER=0 says otherwise"
        )
    return found.inside
