"""The protocols of a runner.

A runner is a module, or any object, with one or more of these functions; it need not have all of them. Three narrow
protocols describe them, and `buildr.runners.registry` returns a runner by the one that its caller needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildr.host.cancellation import Cancellation
    from buildr.host.signals import Signals
    from buildr.runners.plan import RunPlan

__all__ = ["Answer", "CallRunner", "Manifest", "Renderer", "Runner", "WorkerCall", "Workers"]


class Runner(Protocol):
    """Runs plans."""

    def run(self, plan: RunPlan, signals: Signals) -> int:
        """Build if need be, publish if asked for, and run to the end.

        With ``detach`` among the options it only starts what then goes on by itself, a service say: it prints the id of the
        run and returns 0.

        Args:
            plan: what is to run.
            signals: the handlers in force; what arrives is forwarded, and Ctrl+C ends the guest gracefully.

        Returns:
            The guest's exit status, 128 + n when signal n killed it; 0 when the user cancelled it.

        Raises:
            BuildrError: of any kind; see `buildr.errors`.
            KeyboardInterrupt: the user cancelled it before it ran, or does not want to wait.
            Terminated: another signal ended it before it ran.
        """
        ...


class CallRunner(Protocol):
    """Runs single functions, with arguments from here: ``.remote`` and ``.map``."""

    def open_workers(self, plan: RunPlan) -> Workers:
        """Return where calls of functions in the plan's image run; nothing is asked of an engine or a cluster yet."""
        ...


class Renderer(Protocol):
    """Writes a plan as files that something else runs: neither an engine nor a cluster is needed."""

    def render(self, plan: RunPlan, name: str) -> Manifest:
        """Return the text of the files.

        Args:
            plan: what is to run.
            name: of the service or workload.

        Raises:
            OptionError: an option has no form there.
        """
        ...


class Manifest(Struct, frozen=True, kw_only=True):
    """A plan as files."""

    files: Mapping[str, str]
    """Texts by file name."""
    image: str
    """The image that they name."""
    notes: tuple[str, ...] = ()
    """What the user should know about it, a line each."""
    private: bool = False
    """Whether the files contain values of variables or arguments, so that only the user may read them."""


class WorkerCall(Struct, frozen=True, kw_only=True):
    """One call, as a worker gets it."""

    parts: tuple[bytes | bytearray | memoryview, ...]
    """The request in parts, which may be large, as the guest part reads it: `buildr.guest.call`."""
    answer_bytes: int
    """How much of the answer is read, at most; one byte more shows that there is more."""
    cancellation: Cancellation
    """Asks for the call's end."""
    on_start: Callable[[], None]
    """Called once the function is about to run."""


class Answer(Struct, frozen=True, kw_only=True):
    """The outcome of a call."""

    status: int
    """The guest's exit status; 0 while it goes on."""
    message: bytes | bytearray
    """The answer that the guest part wrote; empty if it wrote none."""


class Workers(Protocol):
    """Where the calls of one plan run; a context manager whose methods may be called from several threads."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None:
        """End the workers, and release what the calls shared; all calls have ended."""
        ...

    def prepare(self) -> str:
        """Make everything ready that calls share, the image above all; only the first time.

        Returns:
            The path of the program in the image; empty for a module.

        Raises:
            BuildrError: of any kind; see `buildr.errors`.
        """
        ...

    def run(self, call: WorkerCall) -> Answer:
        """Run one call to its end, in a worker that has no other one at that time.

        Raises:
            BuildrError: of any kind; see `buildr.errors`.
        """
        ...

    def trim(self, seconds: float) -> float | None:
        """End the workers that have been idle for so long; without waiting for their end.

        Returns:
            In how many seconds the next one will have been; ``None``: there is no idle one.
        """
        ...

    def give_up(self) -> None:
        """Return at once; calls in progress are ended without this process waiting for them."""
        ...
