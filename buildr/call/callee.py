"""The callee: a decorated function, and how to find its options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.config import Settings
    from buildr.plan.entry import Entry


class Cancelled(Protocol):
    """An object that can be cancelled."""

    def request_cancel(self) -> None:
        """Request the end."""


class Callee(Struct, frozen=True, kw_only=True):
    """A decorated function."""

    function: Any
    """The function itself; a bound method stays bound."""
    settle: Callable[[Entry], Settings]
    """Returns the effective options of a program."""
    named: bool
    """Whether the decorator names a context."""
    within: tuple[float | None] | None
    """Replaces the option ``call_timeout``."""
    running: list[Cancelled]
    """The calls in progress."""

    def settings(self, entry: Entry) -> Settings:
        """Return the effective options of a call.

        Raises:
            OptionError: one of them is not valid.
        """
        found = self.settle(entry)
        if self.within is None:
            return found
        return replace(found, runtime=replace(found.runtime, call_timeout=self.within[0]))


class Manner(Struct, frozen=True, kw_only=True):
    """How many inputs are processed."""

    concurrency: int | None = None
    """The number of concurrent calls; ``None``: as many as the options and the CPUs allow."""
    ordered: bool = True
    """Whether results are in the order of the inputs, not in that of completion."""
    return_exceptions: bool = False
    """Whether exceptions are returned as results instead of ending the map."""
