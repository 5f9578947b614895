"""A run of a small project with nothing changed, and its parts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks import service, timed
from benchmarks.bench import buildr_command, same_output, seconds
from benchmarks.guest import import_cost
from benchmarks.results import Measure, series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench
    from benchmarks.timed import Run


def nothing_changed(bench: Bench) -> Iterator[Measure]:
    """The small project, run again unchanged."""
    project = bench.project("small")
    ours, theirs = bench.in_turn(lambda: bench.buildr(project), lambda: bench.plain(project))
    same_output(ours, theirs)
    yield Measure(
        case="nothing-changed",
        engine=bench.engine.name,
        title="nothing changed, small project",
        how="ratio",
        ours=series("Buildr", seconds(ours)),
        theirs=series(bench.bare, seconds(theirs)),
        limit=1.2 if bench.engine.backend == "docker" else 1.5,
    )


def no_service(bench: Bench) -> Iterator[Measure]:
    """The same with no Podman service running: Buildr starts one each time."""
    project = bench.project("small")
    with service.nothing_running(bench.engine) as environ:

        def ours() -> Run:
            service.end_services(environ)
            return bench.buildr(project, environ=environ)

        runs = bench.in_turn(ours, lambda: bench.plain(project, environ=environ))
    same_output(*runs)
    yield Measure(
        case="no-service",
        engine=bench.engine.name,
        title="the same, no Podman service running yet",
        how="ratio",
        ours=series("Buildr", seconds(runs[0])),
        theirs=series(bench.bare, seconds(runs[1])),
        limit=2,
    )


def guest_import(bench: Bench) -> Iterator[Measure]:
    """In the guest: `import buildr`, detection and the decorated call, over `python -c pass`."""
    project = bench.project("small")
    bench.buildr(project)
    found = import_cost(bench, f"localhost/buildr/{project.name}")
    yield Measure(
        case="guest-import",
        name="time",
        engine=bench.engine.name,
        title="guest: import, detection and decorated call, over python -c pass",
        how="difference",
        unit="ms",
        ours=series("with Buildr", found.ours),
        theirs=series("python -c pass", found.bare),
        limit=10,
    )
    yield Measure(
        case="guest-import",
        name="modules",
        engine=bench.engine.name,
        title="guest: third-party modules imported",
        unit="",
        ours=series("third-party modules", [float(len(found.third_party))]),
        limit=0,
        more={"modules": ", ".join(found.third_party)},
    )


def command(bench: Bench) -> Iterator[Measure]:
    """The start of the command itself."""
    for option in ("--help", "--version"):

        def ours(option: str = option) -> Run:
            return timed.run(bench.engine, (buildr_command(), option), cwd="/")

        def theirs() -> Run:
            return timed.run(bench.engine, (sys.executable, "-c", "pass"), cwd="/")

        runs = bench.in_turn(ours, theirs)
        yield Measure(
            case="command",
            name=option,
            engine="",
            title=f"buildr {option}",
            unit="ms",
            ours=series(f"buildr {option}", [1000 * value for value in seconds(runs[0])]),
            theirs=series("python -c pass", [1000 * value for value in seconds(runs[1])]),
            limit=150,
        )
