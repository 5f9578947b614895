"""Medians, percentiles, and ratios and differences of pairs."""

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
    """Return the nearest-rank percentile: the smallest value that ``percent`` of all values do not exceed.

    Raises:
        ValueError: there are no values, or ``percent`` is not above 0 and at most 100.
    """
    if not values or not 0 < percent <= 100:
        raise ValueError(f"no percentile {percent} of {len(values)} values")
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the pairs' ratios, which a slowdown half-way through does not distort.

    Raises:
        ValueError: the lengths differ.
    """
    return median([a / b for a, b in zip(ours, theirs, strict=True)])


def difference(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the pairs' differences.

    Raises:
        ValueError: the lengths differ.
    """
    return median([a - b for a, b in zip(ours, theirs, strict=True)])
