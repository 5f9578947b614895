"""Injects faults on real engines and prints a table of the results.

Usage: python -m tests.faults [--engine NAME]... [--only TEXT] [--share PERCENT] [--few] [--keep FILE] [--list] [--report]

``BUILDR_TEST_ENGINES`` names the file in which ``scripts/engines up`` describes the engines.
"""

# ruff: noqa: T201 - a table is printed

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tests.engine.harness import Engine
from tests.faults import results
from tests.faults.bench import Bench
from tests.faults.table import Row, few, rows

if TYPE_CHECKING:
    from collections.abc import Callable

_COLUMNS = ("lost", "leaked", "wrong")


def main() -> int:
    """Run the command; return 0 if nothing went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--engine", action="append", help="podman-rootless, podman-root, docker")
    parser.add_argument("--only", default="", help="faults with this text in their name")
    parser.add_argument(
        "--share", type=float, default=100, help="percent of the tries, at least one"
    )
    parser.add_argument("--few", action="store_true", help="what runs with the tests")
    parser.add_argument("--keep", type=Path, help="put each row into this file of results")
    parser.add_argument("--list", action="store_true", help="only name the faults")
    parser.add_argument("--report", action="store_true", help="only renew the page's table")
    given = parser.parse_args()
    if given.report:
        order = [row.line or row.fault for row in rows()]
        results.PAGE.write_text(results.render(results.PAGE.read_text(), results.load(), order))
        return 0
    if given.list:
        for row in rows():
            print(f"{row.fault}: {len(row.trials) * row.times} tries on {', '.join(row.engines)}")
        return 0
    # A background process of a shell ignores these signals, and its children would inherit that.
    for number in (signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    state = json.loads(Path(os.environ["BUILDR_TEST_ENGINES"]).read_text())
    table = (
        [Row(fault=name, trials=(trial,)) for name, trial in few()] if given.few else list(rows())
    )
    print(results.HEAD, flush=True)
    failed = False
    for name in given.engine or state["engines"]:
        with Bench(Engine(name, state["engines"][name], state["base_image"])) as bench:
            for row in table:
                where = {bench.engine.backend, name}
                if given.only in row.fault and where & set(row.engines):
                    outcome = _try(row, bench, given.share)
                    print(
                        results.line(msgspec.structs.replace(outcome, line=row.fault)), flush=True
                    )
                    if given.keep is not None:
                        results.keep(outcome, given.keep)
                    failed |= bool(outcome.lost or outcome.leaked or outcome.wrong)
    return int(failed)


def _try(row: Row, bench: Bench, share: float) -> results.Outcome:
    counts = dict.fromkeys(_COLUMNS, 0)
    bench.waited_seconds.clear()
    total = max(1, math.ceil(len(row.trials) * row.times * share / 100))
    for index in range(total):
        for wrong in try_once(row.trials[index % len(row.trials)], bench):
            counts[wrong.partition(":")[0]] += 1
            print(f"{row.fault}, {bench.engine.name}: {wrong}", file=sys.stderr, flush=True)
    return results.Outcome(
        fault=row.fault,
        line=row.line or row.fault,
        engine=bench.engine.name,
        date=time.strftime("%Y-%m-%d"),
        tries=total,
        **counts,
        seconds=round(max(bench.waited_seconds), 2) if bench.waited_seconds else None,
    )


def try_once(trial: Callable[[Bench], list[str]], bench: Bench) -> list[str]:
    """Inject a fault once; return what went wrong, an exception in the trial included."""
    try:
        return trial(bench)
    except Exception:  # noqa: BLE001 - the table goes on
        return [f"wrong: {traceback.format_exc()}"]


if __name__ == "__main__":
    sys.exit(main())
