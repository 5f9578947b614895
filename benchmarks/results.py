"""What was measured: its form, and the JSON file that keeps it."""

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
    """Values of one thing, in the order in which they were measured."""

    label: str
    values: list[float]

    @property
    def median(self) -> float:
        """The middle one."""
        return figures.median(self.values)


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure with its target.

    Attributes:
        case: the name of its case.
        name: distinguishes the figures of one case.
        engine: where it was measured; ``""`` where no engine takes part.
        title: what it is.
        how: what is compared with the target: the median of the pairs' ratios, of their inverse (theirs over ours,
            a throughput), of their differences, or of our values alone; or the largest of our values.
        unit: of all values.
        ours: Buildr's values.
        theirs: what it is compared with, in pairs with ``ours``.
        limit: the target; ``None``: there is none.
        at_least: whether the limit is one from below.
        more: further facts, by what they are.
        date: of the day it was measured.
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
        """What another measurement of the same has in common with it."""
        return (self.case, self.engine, self.name)

    @property
    def value(self) -> float:
        """The figure that the target is about.

        Raises:
            ValueError: it needs something to compare with, and there is nothing.
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
        """The fastest run against the fastest of the other side; ``None`` where no ratio is asked for.

        It says what the median hides: where a command has two speeds, chance decides on which of them the median falls.
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
    """All that was measured on one machine.

    Attributes:
        machine: facts about it that say nothing of whose it is.
        measures: one for each case, engine and name.
    """

    machine: dict[str, str]
    measures: list[Measure]


def machine_facts(versions: dict[str, str]) -> dict[str, str]:
    """Say what was measured on.

    Args:
        versions: of the engines, by their names.
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
    """Write new figures into a file, made now if need be; see `merge`."""
    write(path, merge(read(path), new) if path.exists() else new)


def merge(old: Results, new: Results) -> Results:
    """Return the new figures, and the old ones of what was not measured again on the same machine."""
    if any(old.machine.get(k, v) != v for k, v in new.machine.items()):
        return new
    keys = {measure.key for measure in new.measures}
    renewed = {(measure.case, measure.engine) for measure in new.measures}
    kept = [m for m in old.measures if m.key not in keys and (m.case, m.engine) not in renewed]
    return Results(machine={**old.machine, **new.machine}, measures=[*kept, *new.measures])


def read(path: Path) -> Results:
    """Read a file of results.

    Raises:
        BenchmarkError: there is none.
    """
    if not path.exists():
        raise BenchmarkError(f"there are no results in {path}")
    found: dict[str, Any] = json.loads(path.read_text())
    return Results(
        machine=found["machine"], measures=[_measure(dict(row)) for row in found["measures"]]
    )


def write(path: Path, results: Results) -> None:
    """Write a file of results, in an order that does not depend on what was measured when."""
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
    """Put values together."""
    return Series(label=label, values=list(values))
