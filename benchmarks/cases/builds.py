"""Builds without any cache."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from benchmarks import figures, projects
from benchmarks.bench import PREFIX, megabytes, seconds
from benchmarks.results import Measure, series

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.timed import Run


def first_build(bench: Bench) -> Iterator[Measure]:
    """20,000 files, none of them cached by an earlier build."""
    current = bench.project("many")
    rounds = iter(range(1_000_000))

    def unknown() -> tuple[Path, dict[str, str]]:
        """Turn it into a new project: another path, other content, and no cache of Buildr's."""
        nonlocal current
        number = next(rounds)
        current = current.rename(current.with_name(f"{PREFIX}first-{number}"))
        projects.nth_file(current, 0).write_text(f"first {number} {os.urandom(8).hex()}")
        cache = str(bench.directory(f"cache-{number}"))
        return current, {"XDG_CACHE_HOME": cache, "XDG_STATE_HOME": cache}

    def ours() -> Run:
        project, environ = unknown()
        run = bench.build(project, environ)
        bench.forget(f"{PREFIX}many")
        return run

    def theirs() -> Run:
        project, _ = unknown()
        run = bench.peer_build(project, f"localhost/buildr/{PREFIX}peer")
        bench.forget(f"{PREFIX}peer")
        return run

    try:
        runs = bench.in_turn(ours, theirs)
    finally:
        current.rename(current.with_name(f"{PREFIX}many"))
    yield Measure(
        case="first-build",
        engine=bench.engine.name,
        title="first build, 20,000 files",
        how="ratio",
        ours=series("buildr build", seconds(runs[0])),
        theirs=series(f"{bench.engine.backend} build", seconds(runs[1])),
        limit=1,
    )


def context_memory(bench: Bench) -> Iterator[Measure]:
    """A build that sends a context of 1 GiB."""
    project = bench.project("gibibyte")
    peer = f"{PREFIX}peer"
    environ = {"XDG_CACHE_HOME": str(bench.directory("cache-gibibyte"))}

    def ours() -> Run:
        (project / "00.bin").write_bytes(
            os.urandom(1 << 20)
        )  # so that no layer of the previous build is reused
        run = bench.build(project, environ)
        bench.forget(project.name)
        return run

    def theirs() -> Run:
        run = bench.peer_build(project, f"localhost/buildr/{peer}")
        bench.forget(peer)
        return run

    runs = bench.in_turn(ours, theirs, warm_up=False)
    yield Measure(
        case="context-memory",
        engine=bench.engine.name,
        title="peak memory of the host process while a context of 1 GiB is sent",
        how="peak",
        unit="MB",
        ours=series("buildr build", megabytes(runs[0])),
        theirs=series(f"{bench.engine.backend} build", megabytes(runs[1])),
        limit=80,
        more={"seconds, median": round(figures.median(seconds(runs[0])), 2)},
    )
