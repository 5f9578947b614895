"""Results as text: lines on the terminal, and the generated tables of ``docs/performance.md``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.results import Measure, Results

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "performance.md"
PICTURE = DOCS / "performance.svg"
STEPS = "steps"
_MARK = "<!-- {}: written by `scripts/bench --report` -->"
_END = "<!-- end -->"


def line(measure: Measure) -> str:
    """Return one measure as a line for the terminal."""
    where = f" on {measure.engine}" if measure.engine else ""
    parts = [f"{measure.title}{where}: {figure(measure)}"]
    if measure.limit is not None:
        parts.append(f"target {target(measure)}, {verdict(measure)}")
    parts.append(f"{measure.ours.label}: {amount(measure.ours.median, measure.unit)}")
    if measure.theirs is not None:
        parts.append(f"{measure.theirs.label}: {amount(measure.theirs.median, measure.unit)}")
    parts += [f"{name}: {value}" for name, value in measure.more.items() if value != ""]
    return "; ".join(parts)


def amount(value: float, unit: str) -> str:
    """Return a value with its unit, rounded according to its size."""
    digits = 0 if unit in ("", "MB") or value >= 100 else 1 if value >= 10 else 2
    if unit == "s":
        digits = 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f} {unit}".strip()


def figure(measure: Measure) -> str:
    """Return the figure that the target limits."""
    if measure.how in ("ratio", "inverse"):
        return f"{measure.value:.2f} ×"
    sign = "+" if measure.how == "difference" and measure.value >= 0 else ""
    return sign + amount(measure.value, measure.unit)


def target(measure: Measure) -> str:
    """Return the target, or an empty string without one."""
    if measure.limit is None:
        return ""
    bound = "≥" if measure.at_least else "≤"
    unit = "×" if measure.how in ("ratio", "inverse") else measure.unit
    return f"{bound} {measure.limit:g} {unit}".strip()


def verdict(measure: Measure) -> str:
    """Say whether the target is met; an empty string without one."""
    return {True: "met", False: "**missed**", None: ""}[measure.met]


def targets(results: Results) -> Iterator[str]:
    """Yield the table of all measures that have a target."""
    yield "| what | engine | measured | target | | fastest runs | Buildr | compared with |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for measure in ordered(results.measures):
        if measure.limit is not None:
            yield _row(
                measure.title,
                measure.engine or "none",
                figure(measure),
                target(measure),
                verdict(measure),
                "" if measure.fastest is None else f"{measure.fastest:.2f} ×",
                *_sides(measure),
            )


def others(results: Results) -> Iterator[str]:
    """Yield the table of the measures without a target."""
    yield "| what | engine | median | compared with | runs |"
    yield "| --- | --- | --- | --- | --- |"
    for measure in ordered(results.measures):
        if measure.limit is None and measure.case != STEPS:
            ours, theirs = _sides(measure)
            yield _row(measure.title, measure.engine, ours, theirs, str(len(measure.ours.values)))


def floor(results: Results) -> Iterator[str]:
    """Yield the table of the engines' own steps."""
    found = [measure for measure in results.measures if measure.case == STEPS]
    engines = sorted({measure.engine for measure in found})
    yield _row("step, ms", *engines)
    yield _row(*["---"] * (len(engines) + 1))
    for name in sorted({measure.name for measure in found}):
        row = {m.engine: m for m in found if m.name == name}
        title = next(iter(row.values())).title
        yield _row(title, *(f"{row[e].ours.median:.1f}" if e in row else "" for e in engines))


def facts(results: Results) -> Iterator[str]:
    """Yield one line about the machine and the dates of measurement."""
    dates = sorted({measure.date for measure in results.measures})
    period = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else ""
    yield f"{picture.machine(results)}. Measured: {period}."


def ordered(measures: Iterable[Measure]) -> list[Measure]:
    """Return measures in the order of the cases, then of engines."""
    from benchmarks.cases import CASES, ENGINES

    places = {case.name: number for number, case in enumerate(CASES)}
    engines = {name: number for number, name in enumerate(("", *ENGINES))}
    return sorted(
        measures, key=lambda m: (places.get(m.case, len(places)), m.name, engines.get(m.engine, 0))
    )


def render(text: str, results: Results) -> str:
    """Return the page with regenerated tables and otherwise unchanged.

    Raises:
        ValueError: a marker is missing.
    """
    for name, rows in (
        ("machine", facts),
        ("targets", targets),
        ("peers", others),
        ("floor", floor),
    ):
        mark = _MARK.format(name)
        before, found, after = text.partition(mark)
        _, end, after = after.partition(_END)
        if not found or not end:
            raise ValueError(f"the page has no {mark} … {_END}")
        body = "\n".join(rows(results))
        text = f"{before}{mark}\n{body}\n{_END}{after}"
    return text


def write(results: Results) -> None:
    """Regenerate the page and the picture."""
    PAGE.write_text(render(PAGE.read_text(), results))
    PICTURE.write_text(picture.draw(picture.panels(results), picture.note(results)))


def _sides(measure: Measure) -> tuple[str, str]:
    found = [
        f"{side.label}: {amount(side.median, measure.unit)}" if side is not None else ""
        for side in (measure.ours, measure.theirs)
    ]
    return found[0], found[1]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
