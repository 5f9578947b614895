"""The edit-run loop: many files, dependencies, and the same with the engines' own commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import projects, timed
from benchmarks.bench import FEW, PREFIX, same_output, seconds
from benchmarks.engines import BenchmarkError
from benchmarks.results import Measure, series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.bench import Bench
    from benchmarks.timed import Run


def many_files(bench: Bench) -> Iterator[Measure]:
    """20,000 files: nothing changed, then one file changed."""
    small, many = bench.project("small"), bench.project("many")
    ours, theirs = bench.in_turn(lambda: bench.buildr(many), lambda: bench.buildr(small))
    same_output(ours, theirs)
    yield Measure(
        case="many-files",
        name="nothing changed",
        engine=bench.engine.name,
        title="nothing changed, 20,000 files of 235 MB",
        how="difference",
        ours=series("Buildr, 20,000 files", seconds(ours)),
        theirs=series("Buildr, small project", seconds(theirs)),
        limit=0.15,
    )
    changes = iter(range(1, projects.FILES))

    def changed() -> Run:
        number = next(changes)
        path = projects.nth_file(many, number)
        path.write_text(f"round {number}")
        found = bench.buildr(many, "show", str(path.relative_to(many)))
        if found.output != f"round {number}\n".encode():
            raise BenchmarkError(f"the guest sees an old file: {found.output!r}")
        return found

    ours, theirs = bench.in_turn(changed, lambda: bench.buildr(many))
    yield Measure(
        case="many-files",
        name="one changed",
        engine=bench.engine.name,
        title="one file of 20,000 changed",
        how="ratio",
        ours=series("Buildr, one file changed", seconds(ours)),
        theirs=series("Buildr, nothing changed", seconds(theirs)),
        limit=2.5,
    )


def peers(bench: Bench) -> Iterator[Measure]:
    """The engine's own build and run of the same 20,000 files; three rounds only, since each takes long."""
    many = bench.project("many")
    image = f"localhost/buildr/{PREFIX}peer"
    rounds = iter(range(10_000, projects.FILES))

    def by_hand() -> float:
        build = bench.peer_build(many, image)
        run = timed.run(bench.engine, (bench.engine.backend, "run", "--rm", image), cwd="/")
        return build.seconds + run.seconds

    def changed() -> float:
        number = next(rounds)
        projects.nth_file(many, number).write_text(f"round {number}")
        return by_hand()

    found = bench.in_turn(changed, by_hand, pairs=min(bench.pairs, FEW))
    bench.forget(f"{PREFIX}peer")
    for name, title, values in (
        ("one changed", "one file of 20,000 changed", found[0]),
        ("nothing changed", "nothing changed, 20,000 files of 235 MB", found[1]),
    ):
        yield Measure(
            case="peers",
            name=name,
            engine=bench.engine.name,
            title=f"{title}, by the engine's own build and run",
            ours=series(f"{bench.engine.backend} build, then run", values),
        )


def dependencies(bench: Bench) -> Iterator[Measure]:
    """One line changed in a small project with five packages from the index; none is reinstalled."""
    project = bench.project("dependencies")
    lines = iter(range(1_000_000))
    installed = set()

    def changed() -> Run:
        projects.change_a_line(project, next(lines))
        found = bench.buildr(project, "installed")
        installed.add(found.output)
        return found

    runs = bench.in_turn(changed, lambda: bench.buildr(project, "installed"))
    installed |= {run.output for run in runs[1]}
    if len(installed) != 1:
        raise BenchmarkError("the dependencies were installed again")
    yield Measure(
        case="dependencies",
        engine=bench.engine.name,
        title="one line changed, small project with 5 dependencies",
        how="ratio",
        ours=series("Buildr, one line changed", seconds(runs[0])),
        theirs=series("Buildr, nothing changed", seconds(runs[1])),
        limit=3,
        more={"installations": 1},
    )
