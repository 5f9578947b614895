"""The first words with an engine: does it answer, what is it, and within which time."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from buildr.errors import EngineError, EngineLostError, EngineUnavailableError
from buildr_backends._peer import is_rootless

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildr_backends._http import Client

_LEAST_SECONDS = (
    0.2  # given to an attempt although the time is over: what is alive answers within it
)
_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})(?![0-9]).*", re.ASCII)


def ping(client: Client, deadline: float) -> tuple[Mapping[str, str], bool]:
    """Ask an engine for a sign of life.

    Args:
        client: to it.
        deadline: on the clock of `time.monotonic`.

    Returns:
        The headers of its answer, and whether the engine is rootless.

    Raises:
        EngineUnavailableError: there is none in time, or not an engine's.
    """
    seconds = max(_LEAST_SECONDS, deadline - time.monotonic())
    try:
        response = client.request("GET", "/_ping", seconds=seconds)
        rootless = is_rootless(response.connection)
        response.read()
    except (EngineError, EngineLostError) as error:
        raise EngineUnavailableError(
            f"{error.what} (no container engine seems to be at {client.endpoint.url})",
            hint=error.hint or "`buildr doctor` tells what answers.",
        ) from None
    return response.headers, rootless


def half_way(deadline: float) -> float:
    """Return the moment half-way to a deadline, so that an attempt leaves time for the next."""
    now = time.monotonic()
    return now + max(0.0, deadline - now) / 2


def version_number(text: str) -> tuple[int, int] | None:
    """Return the first two numbers of a version such as ``4.0.0-dev``; ``None`` when it is none."""
    match = _VERSION.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None
