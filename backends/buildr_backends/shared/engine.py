"""The common part of the engines' HTTP APIs.

Podman's libpod API took most of its shape from Docker's; with the right prefix the same paths serve both. The modules beside
this one hold the common part for images, containers and volumes; each adapter adds the differences. References: Docker Engine
API 1.41, Podman's libpod API 4.0.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from buildr.engines.records import EngineDetails, EngineInfo
    from buildr_backends.http.client import Client
    from buildr_backends.http.response import Response

T = TypeVar("T")

_PING_SECONDS = 6.0
SOON_SECONDS = 12.0
"""The limit for requests that engines answer at once, on a machine that is busy with other work."""


class HttpEngine(ABC):
    """A `buildr.engines.engine.Engine` over HTTP, without its details.

    Args:
        client: to the engine; its prefix makes the shared paths right.
        info: what is known since connecting.
    """

    def __init__(self, client: Client, info: EngineInfo) -> None:
        self._client = client
        self._info = info

    @property
    def info(self) -> EngineInfo:
        """See `buildr.engines.engine.Engine.info`."""
        return self._info

    @abstractmethod
    def details(self) -> EngineDetails:
        """See `buildr.engines.engine.Engine.details`."""

    def ping(self) -> None:
        """See `buildr.engines.engine.Engine.ping`."""
        self._client.expect(_PING_SECONDS, "GET", "/_ping").read()

    def close(self) -> None:
        """See `buildr.engines.engine.Engine.close`."""
        self._client.close()


def label_filter(labels: Mapping[str, str], more: Mapping[str, list[str]] | None = None) -> str:
    """Return the ``filters`` parameter for labels; an empty value matches any.

    Args:
        labels: what all must carry.
        more: further filters.
    """
    filters = dict(more or {})
    if labels:  # Podman refuses an empty list
        filters["label"] = [f"{k}={v}" if v else k for k, v in labels.items()]
    return json.dumps(filters)


def found(response: Response, read: Callable[[Any], T]) -> T | None:
    """Return the result of an inspection; ``None`` if nothing has that name."""
    if response.status == 404:
        response.read()
        return None
    return response.json(read)
