"""The first contact with an engine: whether it answers in time, and what it is."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, TypeVar

from buildr.errors import EngineError, EngineLostError, EngineUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from buildr.engines.records import Target
    from buildr_backends.http.client import Client
    from buildr_backends.http.endpoint import Endpoint

T = TypeVar("T")

REACH_SECONDS = 9.0
"""How long reaching an engine may take in all, however many sockets there are to try."""
_LEAST_SECONDS = (
    0.2  # granted to an attempt although the time is over: a live engine answers within it
)
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})(?![0-9]).*", re.ASCII)


def ping(client: Client, deadline: float) -> Mapping[str, str]:
    """Check that an engine is alive.

    Args:
        client: to it.
        deadline: on the clock of `time.monotonic`.

    Returns:
        The headers of its answer.

    Raises:
        EngineUnavailableError: no answer came in time, or it is not an engine's.
    """
    seconds = max(_LEAST_SECONDS, deadline - time.monotonic())
    try:
        response = client.request("GET", "/_ping", seconds=seconds)
        response.read()
    except (EngineError, EngineLostError) as error:
        tunnel = client.connections.tunnel
        hint = error.hint or (tunnel.hint() if tunnel else "")
        raise EngineUnavailableError(
            f"{error.what} (no container engine seems to be at {client.endpoint.url})",
            hint=hint or "`buildr doctor` shows what answers.",
        ) from None
    return response.headers


def deadline_of(target: Target) -> float:
    """Return the deadline for all attempts to reach an engine, on the clock of `time.monotonic`."""
    return time.monotonic() + REACH_SECONDS if target.deadline is None else target.deadline


def first_that_answers(
    found: Iterable[tuple[Endpoint, str]],
    reach: Callable[[Endpoint, str, float], T],
    deadline: float,
) -> tuple[T | None, EngineUnavailableError | None]:
    """Try sockets that exist, until one answers.

    Args:
        found: the sockets, best first, each with the reason for it.
        reach: tries one, until a deadline.
        deadline: of all together, on the clock of `time.monotonic`.

    Returns:
        The engine; or the first failure, since the best socket is the most informative; or neither, if there is no
        socket.
    """
    failure: EngineUnavailableError | None = None
    for endpoint, why in found:
        try:
            return reach(endpoint, why, half_way(deadline)), None
        except EngineUnavailableError as error:  # left over, forbidden, or of another engine
            failure = failure or error
    return None, failure


def half_way(deadline: float) -> float:
    """Return the moment half-way to a deadline, so that an attempt leaves time for the next."""
    now = time.monotonic()
    return now + max(0.0, deadline - now) / 2


def version_number(text: str) -> tuple[int, int] | None:
    """Return the first two numbers of a version such as ``4.0.0-dev``; ``None`` when it is not a version."""
    match = _VERSION.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None
