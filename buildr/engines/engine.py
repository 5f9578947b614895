"""What every engine offers: its identity, and whether it still answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from buildr.engines.records import EngineDetails, EngineInfo

IN_MEMORY = "memory:"
"""The prefix of endpoints of engines that live in this process, such as fakes for tests: no other process can reach them."""


class Engine(Protocol):
    """An engine that has answered.

    The base of the three protocols `buildr.engines.images.Images`, `buildr.engines.containers.Containers` and
    `buildr.engines.volumes.Volumes`: code that works with an engine's images, say, also names the engine in its messages.

    Every method of every protocol may raise `EngineLostError` (the connection broke), `EngineUnavailableError` (no answer)
    and `EngineError` (the engine refused). Methods may be called from several threads.
    """

    @property
    def info(self) -> EngineInfo:
        """What the engine reported about itself when it was reached; costs no request."""
        ...

    def details(self) -> EngineDetails:
        """Ask for what ``buildr doctor`` shows."""
        ...

    def ping(self) -> None:
        """Return when the engine answers.

        Raises:
            EngineUnavailableError: it does not answer within a few seconds.
        """
        ...

    def close(self) -> None:
        """Close the connections. May be called twice."""
        ...
