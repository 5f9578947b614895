"""The arithmetic: medians, percentiles, and what becomes of pairs."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that ``percent`` of all do not exceed (the nearest rank).

    Raises:
        ValueError: there are no values, or ``percent`` is not above 0 and at most 100.
    """
    if not values or not 0 < percent <= 100:
        raise ValueError(f"no percentile {percent} of {len(values)} values")
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the ratios of each pair, which a machine that slows down half-way does not distort.

    Raises:
        ValueError: the two are not of one length.
    """
    return median([a / b for a, b in zip(ours, theirs, strict=True)])


def difference(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the differences of each pair.

    Raises:
        ValueError: the two are not of one length.
    """
    return median([a - b for a, b in zip(ours, theirs, strict=True)])
