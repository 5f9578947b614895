"""The base protocol of engines: identity and liveness."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from buildr.engines.records import EngineDetails, EngineInfo

IN_MEMORY = "memory:"
"""The prefix of endpoints of engines in this process, such as fakes for tests, which other processes cannot reach."""


class Engine(Protocol):
    """An engine that has answered.

    The base of the three protocols `buildr.engines.images.Images`, `buildr.engines.containers.Containers` and
    `buildr.engines.volumes.Volumes`: code that works with an engine's images, say, also names the engine in its messages.

    Every method of every protocol may raise `EngineLostError` (the connection broke), `EngineUnavailableError` (no answer)
    and `EngineError` (the engine refused). Methods may be called from several threads.
    """

    @property
    def info(self) -> EngineInfo:
        """The engine's facts about itself, read when it was connected."""
        ...

    def details(self) -> EngineDetails:
        """Request the details for ``buildr doctor``."""
        ...

    def ping(self) -> None:
        """Wait until the engine answers.

        Raises:
            EngineUnavailableError: it does not answer within a few seconds.
        """
        ...

    def close(self) -> None:
        """Close the connections. May be called twice."""
        ...
