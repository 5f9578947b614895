"""Metaparticle's Python package, on the same project with five dependencies. It supports Docker only."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks import projects, timed
from benchmarks.bench import PREFIX, seconds
from benchmarks.engines import BenchmarkError
from benchmarks.results import Measure, series

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.bench import Bench
    from benchmarks.timed import Run

# Later versions of these break the client library that Metaparticle uses.
_PACKAGES = (projects.METAPARTICLE, "requests<2.32", "urllib3<2", "setuptools<80")
_VERSION = "buildr-bench"
_BASE = f"python:{_VERSION}-alpine"  # the only name that it accepts
_NAME = f"{PREFIX}metaparticle"


def metaparticle(bench: Bench) -> Iterator[Measure]:
    """Nothing changed, and one line changed, for Buildr and Metaparticle alternately."""
    python = _environment(bench)
    ours, theirs = bench.project("dependencies"), bench.directory(_NAME)
    projects.metaparticle(theirs, _NAME, _VERSION)
    docker = bench.engine.backend
    bench.engine.output(docker, "tag", bench.engine.base_image, _BASE)
    socket = bench.engine.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    lines = iter(range(1_000_000))

    def run_theirs() -> Run:
        found = timed.run(bench.engine, (python, "app.py"), cwd=theirs, environ={"SOCKET": socket})
        # It leaves its container behind under a fixed name; a second run would fail.
        bench.engine.output(docker, "rm", "--force", _NAME)
        if b"hello" not in found.output:
            raise BenchmarkError(
                f"Metaparticle does not say hello: {found.output!r} {found.errors}"
            )
        return found

    def changed(project: Path) -> None:
        projects.change_a_line(project, next(lines))

    def ours_changed() -> Run:
        changed(ours)
        return bench.buildr(ours)

    def theirs_changed() -> Run:
        changed(theirs)
        return run_theirs()

    try:
        for name, title, sides in (
            ("nothing changed", "nothing changed", (lambda: bench.buildr(ours), run_theirs)),
            ("one changed", "one line changed", (ours_changed, theirs_changed)),
        ):
            runs = bench.in_turn(*sides)
            yield Measure(
                case="metaparticle",
                name=name,
                engine=bench.engine.name,
                title=f"{title}, 5 dependencies, beside Metaparticle",
                how="ratio",
                ours=series("Buildr", seconds(runs[0])),
                theirs=series("Metaparticle", seconds(runs[1])),
            )
    finally:
        bench.engine.output(docker, "rm", "--force", _NAME, check=False)
        bench.engine.output(docker, "rmi", f"localhost/buildr/{_NAME}", _BASE, check=False)


def _environment(bench: Bench) -> str:
    """Install Metaparticle, and return its interpreter."""
    directory = bench.directory("metaparticle-venv")
    python = str(directory / "bin" / "python")
    bench.engine.output(sys.executable, "-m", "venv", str(directory))
    pip = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    bench.engine.output(python, *pip, *_PACKAGES)
    return python
