"""The results of fault injection: the JSON file, row by row, and the table in ``docs/reliability.md``."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FILE = Path(__file__).parent / "results.json"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
HEAD = (
    "| fault | engine | tries | lost | leaked | wrong status | gone after, s |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)
MARK = "<!-- results: written by `scripts/faults --report` -->"
_END = "<!-- end -->"
_ENGINES = ("podman-rootless", "podman-root", "docker")


class Outcome(Struct, frozen=True, kw_only=True):
    """The result of one fault on one engine."""

    fault: str
    """The row, and its line in the page's table, which may combine several rows."""
    line: str
    engine: str
    date: str
    """The date of the run."""
    tries: int
    lost: int
    leaked: int
    wrong: int
    seconds: float | None
    """The longest time until nothing was left; ``None`` if there was nothing to wait for."""


def load(path: Path = FILE) -> list[Outcome]:
    """Return the stored outcomes."""
    return msgspec.json.decode(path.read_bytes(), type=list[Outcome])


def keep(outcome: Outcome, path: Path) -> None:
    """Replace an outcome of the same row in the file, under a lock."""
    path.touch()
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        data = file.read()
        found = msgspec.json.decode(data, type=list[Outcome]) if data else []
        new = merged(found, outcome)
        file.seek(0)
        file.truncate()
        lines = (msgspec.json.encode(row).decode() for row in new)
        file.write(("[\n" + ",\n".join(lines) + "\n]\n").encode())


def merged(found: Iterable[Outcome], new: Outcome) -> list[Outcome]:
    """Return the outcomes with one replaced, or added at the end."""
    rows = {(row.fault, row.engine): row for row in found}
    rows[new.fault, new.engine] = new
    return list(rows.values())


def line(outcome: Outcome) -> str:
    """Return an outcome as a line of the table."""
    seconds = "" if outcome.seconds is None else f"{outcome.seconds:.1f}"
    counts = (outcome.tries, outcome.lost, outcome.leaked, outcome.wrong)
    return f"| {' | '.join((outcome.line, outcome.engine, *map(str, counts), seconds))} |"


def table(found: Iterable[Outcome], order: Iterable[str]) -> Iterator[str]:
    """Yield the table. Rows that share a line are added up.

    Args:
        found: the outcomes.
        order: the order of the lines; others come last.
    """
    places = {name: number for number, name in reversed(list(enumerate(order)))}
    sums: dict[tuple[str, str], Outcome] = {}
    for row in found:
        key = (row.line, row.engine)
        sums[key] = _sum(sums[key], row) if key in sums else row
    yield HEAD
    for row in sorted(
        sums.values(),
        key=lambda row: (places.get(row.line, len(places)), row.line, _place(row.engine)),
    ):
        yield line(row)


def render(page: str, found: Iterable[Outcome], order: Iterable[str]) -> str:
    """Return the page with its table regenerated.

    Raises:
        ValueError: a marker is missing.
    """
    before, mark, rest = page.partition(MARK)
    _, end, after = rest.partition(_END)
    if not mark or not end:
        raise ValueError(f"the page has no {MARK} … {_END}")
    return "\n".join((before + mark, *table(found, order), end + after))


def _sum(one: Outcome, two: Outcome) -> Outcome:
    known = [row.seconds for row in (one, two) if row.seconds is not None]
    return Outcome(
        fault=one.fault,
        line=one.line,
        engine=one.engine,
        date=max(one.date, two.date),
        tries=one.tries + two.tries,
        lost=one.lost + two.lost,
        leaked=one.leaked + two.leaked,
        wrong=one.wrong + two.wrong,
        seconds=max(known, default=None),
    )


def _place(engine: str) -> int:
    return _ENGINES.index(engine) if engine in _ENGINES else len(_ENGINES)
