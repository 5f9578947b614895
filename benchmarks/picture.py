"""The bar chart in the README: an SVG that is readable on light and dark pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from benchmarks.results import select

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.results import Measure, Results, Series

_WIDTH = 760
_MARGIN = 24
_LABELS = 250  # width of the labels before the bars
_VALUES = 70  # width of the values behind them
_BAR = 16  # height of one
_STEP = 24  # from one bar to the next
_HEAD = 34  # above the bars of a panel
_GAP = 18  # between panels
_SHOWN = {"podman-rootless": "rootless Podman", "docker": "Docker"}
_NAMES = {"podman-rootless": "Podman", "docker": "Docker"}

# A background of its own makes it readable on any page; it follows the reader's colour scheme.
_STYLE = """
.ground { fill: #ffffff; stroke: #d0d7de }
text { font: 13px system-ui, -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px }
.note { fill: #59636e; font-size: 12px }
.ours { fill: #1a7f64 }
.theirs { fill: #a8b3bf }
.strong { font-weight: 600 }
@media (prefers-color-scheme: dark) {
  .ground { fill: #0d1117; stroke: #3d444d }
  text { fill: #f0f6fc }
  .note { fill: #9198a1 }
  .ours { fill: #3fb68b }
  .theirs { fill: #5c6570 }
}
"""


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        label: what it is.
        seconds: its length.
        ours: whether it shows Buildr.
    """

    label: str
    seconds: float
    ours: bool


@dataclass(frozen=True)
class Panel:
    """Bars that share a scale, under a title."""

    title: str
    bars: tuple[Bar, ...]


def panels(results: Results) -> list[Panel]:
    """Return the panels for which there are measures."""
    small = [bar for measure in _measures(results, "nothing-changed") for bar in _pair(measure)]
    many = [
        (title, [*_first(results, "many-files", name), *_first(results, "peers", name)])
        for name, title in (
            ("nothing changed", "Run again, nothing changed: 20,000 files, 235 MB"),
            ("one changed", "Run again, one of 20,000 files changed"),
        )
    ]
    old = [
        bar
        for measure in _measures(results, "metaparticle", "one changed")
        for bar in _pair(measure)
    ]
    found = [
        ("Run again, nothing changed: a small project", small),
        *many,
        ("Run again, one line changed: 5 dependencies", old),
    ]
    return [Panel(title, tuple(bars)) for title, bars in found if bars]


def machine(results: Results) -> str:
    """Describe the machine in one line."""
    known = dict(results.machine)
    cores, memory = known.pop("cores"), known.pop("memory")
    kernel, architecture = known.pop("kernel"), known.pop("architecture")
    rest = (f"{name} {version}" for name, version in known.items())
    return f"{cores} cores, {memory}, Linux {kernel} on {architecture}, {', '.join(rest)}"


def note(results: Results) -> str:
    """Return the line below the bars."""
    known = results.machine
    parts = [f"{known['cores']} cores"]
    parts += [f"{_NAMES[e]} {known[e].partition('+')[0]}" for e in _NAMES if e in known]
    return f"Wall time of the whole command, median. {', '.join(parts)}."


def draw(panels: Sequence[Panel], below: str) -> str:
    """Return the picture as the text of an SVG file."""
    body: list[str] = []
    top = _MARGIN
    for panel in panels:
        body += _draw_panel(panel, top)
        top += _HEAD + _STEP * len(panel.bars) + _GAP
    body.append(_text(_MARGIN, top + 2, below, "note"))
    height = top + _MARGIN
    summary = "; ".join(
        f"{panel.title}: " + ", ".join(f"{bar.label} {seconds(bar.seconds)}" for bar in panel.bars)
        for panel in panels
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(summary)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" x="0.5" y="0.5" width="{_WIDTH - 1}" height="{height - 1}" rx="8"/>',
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def seconds(value: float) -> str:
    """Return a time as the label at the end of a bar."""
    return f"{value:.1f} s" if value >= 10 else f"{value:.2f} s"


def _draw_panel(panel: Panel, top: float) -> Iterator[str]:
    yield _text(_MARGIN, top + 14, panel.title, "title")
    longest = max(bar.seconds for bar in panel.bars)
    room = _WIDTH - 2 * _MARGIN - _LABELS - _VALUES
    for number, bar in enumerate(panel.bars):
        y = top + _HEAD - 6 + _STEP * number
        length = max(2.0, room * bar.seconds / longest)
        kind, weight = ("ours", "strong") if bar.ours else ("theirs", "")
        yield _text(_MARGIN, y + 12.5, bar.label, weight)
        x = _MARGIN + _LABELS
        yield f'<rect class="{kind}" x="{x}" y="{y}" width="{length:.1f}" height="{_BAR}" rx="3"/>'
        yield _text(x + length + 8, y + 12.5, seconds(bar.seconds), weight)


def _text(x: float, y: float, text: str, kind: str) -> str:
    mark = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:g}"{mark}>{escape(text)}</text>'


def _measures(results: Results, case: str, name: str = "") -> list[Measure]:
    """Return the measures of a case on the engines that are shown, in their order."""
    found = {measure.engine: measure for measure in select(results, case, name=name)}
    return [found[engine] for engine in _SHOWN if engine in found]


def _pair(measure: Measure) -> Iterator[Bar]:
    yield _bar(measure.ours, measure.engine, ours=True)
    if measure.theirs is not None:
        yield _bar(measure.theirs, measure.engine, ours=False)


def _first(results: Results, case: str, name: str) -> Iterator[Bar]:
    for measure in _measures(results, case, name):
        yield _bar(measure.ours, measure.engine, ours=case == "many-files")


def _bar(side: Series, engine: str, *, ours: bool) -> Bar:
    return Bar(f"Buildr on {_SHOWN[engine]}" if ours else side.label, side.median, ours)
