"""The protocols of a runner.

A runner is a module or object with one or more of these functions. Three narrow protocols describe them, and
`buildr.runners.registry` returns a runner as the protocol that its caller needs.
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
        """Build if necessary, publish if requested, and run to the end.

        With the option ``detach`` it only starts a run that continues by itself, such as a service, prints its id and
        returns 0.

        Args:
            plan: what is to run.
            signals: the installed handlers; signals are forwarded, and Ctrl+C ends the guest gracefully.

        Returns:
            The guest's exit status, 128 + n if signal n killed it; 0 if the user cancelled it.

        Raises:
            BuildrError: of any kind; see `buildr.errors`.
            KeyboardInterrupt: the user cancelled it before it ran, or does not want to wait.
            Terminated: another signal ended it before it ran.
        """
        ...


class CallRunner(Protocol):
    """Runs single functions: ``.remote`` and ``.map``."""

    def open_workers(self, plan: RunPlan) -> Workers:
        """Return workers for calls of functions in the plan's image, without contacting an engine or a cluster yet."""
        ...


class Renderer(Protocol):
    """Writes a plan as files for another program; needs no engine or cluster."""

    def render(self, plan: RunPlan, name: str) -> Manifest:
        """Return the text of the files.

        Args:
            plan: what to run.
            name: the name of the service or workload.

        Raises:
            OptionError: an option is not supported there.
        """
        ...


class Manifest(Struct, frozen=True, kw_only=True):
    """A plan as files."""

    files: Mapping[str, str]
    """Texts by file name."""
    image: str
    """The image in these files."""
    notes: tuple[str, ...] = ()
    """What the user should know about it, a line each."""
    private: bool = False
    """Whether the files contain values of variables or arguments, and so must be private."""


class WorkerCall(Struct, frozen=True, kw_only=True):
    """One call, the input of a worker."""

    parts: tuple[bytes | bytearray | memoryview, ...]
    """The request in parts, which may be large, in the format of `buildr.guest.call`."""
    answer_bytes: int
    """The maximum size of the answer to read; one more byte shows that it is larger."""
    cancellation: Cancellation
    """Requests the end of the call."""
    on_start: Callable[[], None]
    """Called when the function is about to run."""


class Answer(Struct, frozen=True, kw_only=True):
    """The outcome of a call."""

    status: int
    """The guest's exit status; 0 if it continues."""
    message: bytes | bytearray
    """The answer of the guest part; empty if there is none."""


class Workers(Protocol):
    """The workers of one plan; a context manager whose methods may be called from several threads."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None:
        """End the workers and release shared resources; all calls have ended."""
        ...

    def prepare(self) -> str:
        """Prepare everything that calls share, above all the image; only the first time.

        Returns:
            The path of the program in the image; empty for a module.

        Raises:
            BuildrError: of any kind; see `buildr.errors`.
        """
        ...

    def run(self, call: WorkerCall) -> Answer:
        """Run one call to its end, in a worker without another call at that time.

        Raises:
            BuildrError: of any kind; see `buildr.errors`.
        """
        ...

    def trim(self, seconds: float) -> float | None:
        """End workers that have been idle for this time, without waiting.

        Returns:
            The seconds until the next one is due; ``None``: there is no idle one.
        """
        ...

    def give_up(self) -> None:
        """End running calls without waiting for them."""
        ...
