"""Calls of one function, timed by the script itself, alternating with a process pool in the same process."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

from benchmarks import timed
from benchmarks.bench import seconds
from benchmarks.results import Measure, series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench
    from benchmarks.timed import Run


def calls(bench: Bench) -> Iterator[Measure]:
    """The first call, a call in a warm worker, and many calls at once."""
    project = bench.project("calls")
    name = bench.engine.name

    def run(*words: str) -> Run:
        return timed.run(bench.engine, (sys.executable, *words), cwd=project)

    run("app.py")
    runs = bench.in_turn(lambda: run("call.py", "once"), lambda: run("app.py"))
    yield Measure(
        case="calls",
        name="first",
        engine=name,
        title="a process that makes one call, beside a run of the script",
        how="ratio",
        ours=series("python call.py", seconds(runs[0])),
        theirs=series("python app.py", seconds(runs[1])),
        limit=1.3,
    )
    found: list[dict[str, Any]] = [
        json.loads(run("call.py", "many").output) for _ in range(bench.pairs)
    ]
    warm = Measure(
        case="calls",
        name="warm",
        engine=name,
        title="a call in a warm worker",
        unit="ms",
        ours=series(".remote()", [each["warm"] for each in found]),
        theirs=series("ProcessPoolExecutor.submit().result()", [each["submit"] for each in found]),
        limit=5,
    )
    yield warm
    yield dataclasses.replace(
        warm,
        name="map",
        title="1,000 trivial inputs, 2 workers that have been started",
        unit="s",
        how="ratio",
        ours=series(".map()", [each["map"] for each in found]),
        theirs=series("ProcessPoolExecutor(2).map()", [each["pool"] for each in found]),
        limit=2,
    )
