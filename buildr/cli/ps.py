"""``buildr ps``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from buildr.cli.command import Command, option
from buildr.cli.engines import engines_option, reached
from buildr.cli.options import options
from buildr.cli.table import table

if TYPE_CHECKING:
    from buildr.host.signals import Signals
    from buildr.run.runs import Run

_HEADINGS = ("RUN", "ENGINE", "NAME", "STATUS", "AGE", "HOST PROCESS")
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_own_options = (option("--json", "as_json", is_flag=True, help="Print the runs as JSON."),)


@click.command(cls=Command)
@options(engines_option, _own_options)
@click.pass_context
def ps(context: click.Context, backend: str | None, as_json: bool) -> None:
    """List your runs, those too whose host process has gone.

    HOST PROCESS says what has become of the `python app.py` that a run belongs to: its process id;
    gone, so that `buildr prune` or the next run removes the container; or unknown from here. What
    another machine has started on the same engine is never touched from here. A
    container that `buildr run --keep` has left says kept: `buildr stop` and `buildr prune` remove it.
    A detached one goes on without, and stays with its exit status until `buildr stop` removes it, or
    `buildr prune` when it has ended.
    """
    from buildr.host.exit_status import exit_status_of
    from buildr.run import runs

    def operation(_signals: Signals) -> int:
        with reached(backend) as engines:
            found = runs.find(engines)
        if as_json:
            click.echo(json.dumps([_document(run) for run in found], indent=2))
        else:
            for line in table([_HEADINGS, *map(_row, found)]):
                click.echo(line)
        return 0

    context.exit(exit_status_of(operation))


def _row(run: Run) -> tuple[str, ...]:
    age = _age(run.age_seconds) if run.created else "?"
    return run.short_id, run.engine, run.name or "?", _status(run), age, _host(run)


def _status(run: Run) -> str:
    code = run.container.exit_code
    return run.container.status if code is None else f"{run.container.status} ({code})"


def _host(run: Run) -> str:
    if run.detached or run.kept:
        return "detached" if run.detached else "kept"
    return str(run.pid) if run.host == "alive" else run.host


def _age(seconds: float) -> str:
    size, unit = next((row for row in _UNITS if seconds >= row[0]), _UNITS[-1])
    return f"{int(seconds // size)} {unit}"


def _document(run: Run) -> dict[str, Any]:
    from datetime import UTC, datetime

    created = datetime.fromtimestamp(run.created, UTC).isoformat() if run.created else None
    return {
        "run": run.id,
        "engine": run.engine,
        "name": run.name,
        "project": run.project,
        "container": run.container.id,
        "status": run.container.status,
        "running": run.container.running,
        "exit_code": run.container.exit_code,
        "created": created,
        "host": run.host,
        "kept": run.kept,
        "detached": run.detached,
        "pid": run.pid,
    }
