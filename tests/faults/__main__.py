"""Makes faults happen on real engines and prints a table of what came of them.

Usage: python -m tests.faults [--engine NAME]... [--only TEXT] [--share PERCENT] [--few]

Engines are those that ``scripts/engines up`` describes in the file that ``BUILDR_TEST_ENGINES`` names.
"""

# ruff: noqa: T201 - a table is printed

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from tests.engine.harness import Engine
from tests.faults.bench import Bench
from tests.faults.table import Row, few, rows

if TYPE_CHECKING:
    from collections.abc import Callable

_COLUMNS = ("lost", "leaked", "wrong")


def main() -> int:
    """Do what the command line says; return 0 when nothing went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--engine", action="append", help="podman-rootless, podman-root, docker")
    parser.add_argument("--only", default="", help="faults with this text in their name")
    parser.add_argument(
        "--share", type=float, default=100, help="percent of the tries, at least one"
    )
    parser.add_argument("--few", action="store_true", help="what runs with the tests")
    given = parser.parse_args()
    state = json.loads(Path(os.environ["BUILDR_TEST_ENGINES"]).read_text())
    table = (
        [Row(fault=name, trials=(trial,)) for name, trial in few()] if given.few else list(rows())
    )
    print(
        "| fault | engine | tries | lost | leaked | wrong status |\n| --- | --- | --- | --- | --- | --- |"
    )
    failed = False
    for name in given.engine or state["engines"]:
        with Bench(Engine(name, state["engines"][name], state["base_image"])) as bench:
            for row in table:
                where = {bench.engine.backend, name}
                if given.only in row.fault and where & set(row.engines):
                    failed |= _line(row, bench, given.share)
    return int(failed)


def _line(row: Row, bench: Bench, share: float) -> bool:
    counts = dict.fromkeys(_COLUMNS, 0)
    total = max(1, math.ceil(len(row.trials) * row.times * share / 100))
    for index in range(total):
        for wrong in try_once(row.trials[index % len(row.trials)], bench):
            counts[wrong.partition(":")[0]] += 1
            print(f"{row.fault}, {bench.engine.name}: {wrong}", file=sys.stderr, flush=True)
    cells = (row.fault, bench.engine.name, str(total), *map(str, counts.values()))
    print(f"| {' | '.join(cells)} |", flush=True)
    return any(counts.values())


def try_once(trial: Callable[[Bench], list[str]], bench: Bench) -> list[str]:
    """Make a fault happen once; return what went wrong, a broken trial among it."""
    try:
        return trial(bench)
    except Exception:  # noqa: BLE001 - the table goes on
        return [f"wrong: {traceback.format_exc()}"]


if __name__ == "__main__":
    sys.exit(main())
