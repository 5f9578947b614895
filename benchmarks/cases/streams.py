"""The guest's output: throughput and latency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import figures, projects, timed
from benchmarks.bench import megabytes, same_output, seconds
from benchmarks.results import Measure, series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench
    from benchmarks.timed import Run


_LINES = 1_000_000
_STAMPS = 200  # lines in one run, one every 5 ms


def throughput(bench: Bench) -> Iterator[Measure]:
    """The guest writes 1 GiB, and a million lines, through a pipe to the same reader."""
    project = bench.project("small")
    bench.buildr(project)
    for name, title, words in (
        ("1 GiB", "the guest writes 1 GiB to stdout", ("write", str(projects.GIBIBYTE))),
        ("lines", "the guest prints 1,000,000 lines", ("lines", str(_LINES))),
    ):

        def ours(words: tuple[str, ...] = words) -> Run:
            return bench.buildr(project, *words, read=timed.count_bytes)

        def theirs(words: tuple[str, ...] = words) -> Run:
            return bench.plain(project, *words, read=timed.count_bytes)

        runs = bench.in_turn(ours, theirs)
        same_output(*runs)
        yield Measure(
            case="throughput",
            name=name,
            engine=bench.engine.name,
            title=f"{title}: throughput",
            how="inverse",
            ours=series("Buildr", seconds(runs[0])),
            theirs=series(bench.bare, seconds(runs[1])),
            limit=0.8,
            at_least=True,
            more={"bytes": float(runs[0][0].output)},
        )
        yield Measure(
            case="throughput",
            name=f"{name} memory",
            engine=bench.engine.name,
            title=f"{title}: peak memory of the host process",
            how="peak",
            unit="MB",
            ours=series("Buildr", megabytes(runs[0])),
            theirs=series(bench.bare, megabytes(runs[1])),
            limit=60,
        )


def latency(bench: Bench) -> Iterator[Measure]:
    """The time from printing a line in the guest to its arrival on the host process's stdout."""
    project = bench.project("small")
    bench.buildr(project)
    words = ("stamps", str(_STAMPS))
    runs = bench.in_turn(
        lambda: _milliseconds(bench.buildr(project, *words, read=timed.delays)),
        lambda: _milliseconds(bench.plain(project, *words, read=timed.delays)),
    )
    ours, theirs = ([value for run in side for value in run] for side in runs)
    yield Measure(
        case="latency",
        engine=bench.engine.name,
        title="a line printed by the guest, until it is on the host's stdout",
        unit="ms",
        ours=series("Buildr", [figures.median(run) for run in runs[0]]),
        theirs=series(bench.bare, [figures.median(run) for run in runs[1]]),
        limit=5,
        more={
            "95 % within, ms": round(figures.percentile(ours, 95), 3),
            f"95 % of {bench.bare} within, ms": round(figures.percentile(theirs, 95), 3),
        },
    )


def _milliseconds(run: Run) -> list[float]:
    return [int(line) / 1e6 for line in run.output.split()]
