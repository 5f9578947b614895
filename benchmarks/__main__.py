"""The command: ``python -m benchmarks``; ``scripts/bench`` sets up what it needs."""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
import tempfile
from pathlib import Path

from benchmarks import engines, page, results
from benchmarks.bench import Bench, today
from benchmarks.cases import CASES, ENGINES, Case
from benchmarks.engines import BenchmarkError, Engine

_ENGINES_VARIABLE = "BUILDR_TEST_ENGINES"
_PAIRS = 10


def main(words: list[str]) -> int:
    """Run the benchmarks and return the exit status."""
    options = _options(words)
    # Raised as an exception, so that the context managers remove images and projects and stop services.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        if not options.report:
            _measure(options)
        if options.output == results.FILE:
            page.write(results.read(options.output))
    except BenchmarkError as error:
        _say(f"error: {error}")
        return 1
    return 0


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure Buildr against the engines' own commands."
    )
    names = [case.name for case in CASES]
    add = parser.add_argument
    add("--case", action="append", choices=names, help="run only this case; repeatable")
    add("--engine", action="append", choices=ENGINES, help="use only this engine; repeatable")
    add("--pairs", type=int, default=_PAIRS, help=f"runs of each side; default {_PAIRS}")
    add("--steps", action="store_true", help="measure only the engines' own steps (the floor)")
    add("--report", action="store_true", help="measure nothing; regenerate docs/ from the results")
    add("--output", type=Path, default=results.FILE, help="file of results")
    add("--work", default="/var/tmp", help="where projects (2 GB) are created")  # noqa: S108 - mkdtemp
    options = parser.parse_args(words)
    if options.pairs < 1:
        parser.error("--pairs must be at least 1")
    if options.steps:
        options.case = ["steps"]
    return options


def _measure(options: argparse.Namespace) -> None:
    chosen = [case for case in CASES if options.case is None or case.name in options.case]
    up = {engine.name: engine for engine in engines.load(os.environ.get(_ENGINES_VARIABLE, ""))}
    wanted = [name for name in ENGINES if options.engine is None or name in options.engine]
    versions = {name: engines.version(up[name]) for name in wanted if name in up}
    failures = []
    for name in ("", *wanted):
        cases = [case for case in chosen if _belongs(case, name, asked=options.engine is not None)]
        if cases and name and name not in up:
            _say(f"left out: {name} is not up")
            continue
        if cases:
            engine = up[name] if name else _no_engine()
            failures += _on(engine, cases, options, versions)
    if failures:
        raise BenchmarkError("not measured:\n" + "\n".join(failures))


def _belongs(case: Case, engine: str, *, asked: bool) -> bool:
    if not engine or not case.engines:
        return not engine and not case.engines
    return engine in case.engines or (asked and len(case.engines) > 1)


def _on(
    engine: Engine, cases: list[Case], options: argparse.Namespace, versions: dict[str, str]
) -> list[str]:
    failures = []
    work = Path(tempfile.mkdtemp(prefix="buildr-bench-", dir=options.work))
    work.chmod(0o755)
    bench = Bench(engine, work, options.pairs)
    try:
        for case in cases:
            _say(f"{case.name} on {engine.name or 'no engine'}")
            try:
                measured = [
                    dataclasses.replace(measure, date=today()) for measure in case.measure(bench)
                ]
            except BenchmarkError as error:
                failures.append(f"{case.name} on {engine.name}: {error}")
                _say(f"error: {failures[-1]}")
                continue
            for measure in measured:
                print(page.line(measure), flush=True)
            new = results.Results(machine=results.machine_facts(versions), measures=measured)
            results.add(options.output, new)
    finally:
        bench.close()
    return failures


def _no_engine() -> Engine:
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return Engine(name="", backend="", uid=None, environ=environ, base_image="")


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
