"""The records of measurements, and the JSON file that stores them."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchmarks import figures
from benchmarks.engines import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = Path(__file__).parent / "results.json"

How = Literal["ratio", "inverse", "difference", "value", "peak"]
Unit = Literal["s", "ms", "MB", ""]


@dataclass(frozen=True, kw_only=True)
class Series:
    """Measured values of one side, in the order of measurement."""

    label: str
    values: list[float]

    @property
    def median(self) -> float:
        """The median of the values."""
        return figures.median(self.values)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure with its target.

    Attributes:
        case: the name of its case.
        name: distinguishes the figures of one case.
        engine: the engine; ``""`` if none is involved.
        title: a description for readers.
        how: what is compared with the target: the median of the pairs' ratios, of their inverse (theirs over ours,
            a throughput), of their differences, or of our values alone; or the largest of our values.
        unit: of all values.
        ours: Buildr's values.
        theirs: the values to compare with, paired with ``ours``.
        limit: the target; ``None``: there is none.
        at_least: whether the limit is a lower bound.
        more: further facts, by name.
        date: the day of the measurement.
    """

    case: str
    engine: str
    title: str
    ours: Series
    how: How = "value"
    unit: Unit = "s"
    name: str = ""
    theirs: Series | None = None
    limit: float | None = None
    at_least: bool = False
    more: dict[str, float | str] = field(default_factory=dict)
    date: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """The key that repeated measurements of the same figure share."""
        return (self.case, self.engine, self.name)

    @property
    def value(self) -> float:
        """The figure that the target limits.

        Raises:
            ValueError: a comparison is asked for, and there are no values to compare with.
        """
        if self.how == "value":
            return self.ours.median
        if self.how == "peak":
            return max(self.ours.values)
        if self.theirs is None:
            raise ValueError(f"{self.title}: nothing to compare with")
        if self.how == "difference":
            return figures.difference(self.ours.values, self.theirs.values)
        if self.how == "inverse":
            return figures.ratio(self.theirs.values, self.ours.values)
        return figures.ratio(self.ours.values, self.theirs.values)

    @property
    def fastest(self) -> float | None:
        """The ratio of the fastest runs of both sides; ``None`` unless ``how`` is a ratio.

        It complements the median: if a command has two typical speeds, chance decides on which the median falls.
        """
        if self.theirs is None or self.how not in ("ratio", "inverse"):
            return None
        found = min(self.ours.values) / min(self.theirs.values)
        return 1 / found if self.how == "inverse" else found

    @property
    def met(self) -> bool | None:
        """Whether the target is met; ``None`` without one."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass(frozen=True, kw_only=True)
class Results:
    """All measurements of one machine.

    Attributes:
        machine: facts about it that do not identify its owner.
        measures: one per case, engine and name.
    """

    machine: dict[str, str]
    measures: list[Measure]


def machine_facts(versions: dict[str, str]) -> dict[str, str]:
    """Return facts about this machine.

    Args:
        versions: the engines' versions, by engine name.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory / (1 << 30):.0f} GiB",
        "kernel": ".".join(platform.release().split("-")[0].split(".")[:2]),
        "architecture": platform.machine(),
        "Python": platform.python_version(),
        **versions,
    }


def add(path: Path, new: Results) -> None:
    """Merge new figures into a file, created if necessary; see `merge`."""
    write(path, merge(read(path), new) if path.exists() else new)


def merge(old: Results, new: Results) -> Results:
    """Return the new figures, and the old ones of the same machine that were not measured again."""
    if any(old.machine.get(k, v) != v for k, v in new.machine.items()):
        return new
    keys = {measure.key for measure in new.measures}
    renewed = {(measure.case, measure.engine) for measure in new.measures}
    kept = [m for m in old.measures if m.key not in keys and (m.case, m.engine) not in renewed]
    return Results(machine={**old.machine, **new.machine}, measures=[*kept, *new.measures])


def read(path: Path) -> Results:
    """Read a file of results.

    Raises:
        BenchmarkError: the file does not exist.
    """
    if not path.exists():
        raise BenchmarkError(f"{path} does not exist")
    found: dict[str, Any] = json.loads(path.read_text())
    return Results(
        machine=found["machine"], measures=[_measure(dict(row)) for row in found["measures"]]
    )


def write(path: Path, results: Results) -> None:
    """Write a file of results, in an order that does not depend on the time of measurement."""
    rows = [dataclasses.asdict(m) for m in sorted(results.measures, key=lambda m: m.key)]
    for row in rows:
        for side in ("ours", "theirs"):
            if row[side]:
                row[side]["values"] = [_short(v) for v in row[side]["values"]]
    text = json.dumps({"machine": results.machine, "measures": rows}, indent=1)
    path.write_text(text + "\n")


def select(results: Results, case: str, *, name: str = "") -> list[Measure]:
    """Return the measures of a case."""
    return [m for m in results.measures if m.case == case and m.name == name]


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def _measure(row: dict[str, Any]) -> Measure:
    row["ours"] = Series(**row["ours"])
    row["theirs"] = Series(**row["theirs"]) if row["theirs"] else None
    return Measure(**row)


def series(label: str, values: Sequence[float]) -> Series:
    """Make a series."""
    return Series(label=label, values=list(values))
