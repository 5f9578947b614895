"""What is called: a decorated function, and how its options are found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.config import Settings
    from buildr.plan.entry import Entry


class Cancelled(Protocol):
    """What can be cancelled."""

    def request_cancel(self) -> None:
        """Ask for the end."""


class Callee(Struct, frozen=True, kw_only=True):
    """A decorated function."""

    function: Any
    """The function itself; a bound method stays bound."""
    settle: Callable[[Entry], Settings]
    """Returns the options that hold for a program."""
    named: bool
    """Whether the decorator names a context."""
    within: tuple[float | None] | None
    """Replaces the option ``call_timeout``."""
    running: list[Cancelled]
    """The calls in progress."""

    def settings(self, entry: Entry) -> Settings:
        """Return the options that hold for a call.

        Raises:
            OptionError: one of them is not valid.
        """
        found = self.settle(entry)
        if self.within is None:
            return found
        return replace(found, runtime=replace(found.runtime, call_timeout=self.within[0]))


class Manner(Struct, frozen=True, kw_only=True):
    """How many inputs are worked through."""

    concurrency: int | None = None
    """How many calls run at a time; ``None``: as many as the options and the CPUs allow."""
    ordered: bool = True
    """Whether results come in the order of the inputs, not as they are there."""
    return_exceptions: bool = False
    """Whether what a call raises is its result, in place of the end of all."""
