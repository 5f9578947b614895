"""``buildr ps``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from buildr.cli.command import Command, option
from buildr.cli.engines import engines_option, reached
from buildr.cli.options import options
from buildr.cli.table import table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildr.engines.container_spec import Port
    from buildr.host.signals import Signals
    from buildr.run.runs import Run

_HEADINGS = ("RUN", "ENGINE", "NAME", "IMAGE", "STATUS", "PORTS", "AGE", "HOST PROCESS")
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_own_options = (
    option(
        "-a",
        "--all",
        is_flag=True,
        expose_value=False,
        help="Ended runs too, as with docker ps; here they are always listed.",
    ),
    option("-q", "--quiet", is_flag=True, help="Print the ids alone."),
    option("--json", "as_json", is_flag=True, help="Print the runs as JSON."),
)


class _Shown(Struct, frozen=True):
    run: Run
    image: str
    ports: tuple[Port, ...]


@click.command(cls=Command)
@options(engines_option, _own_options)
@click.pass_context
def ps(context: click.Context, backend: str | None, quiet: bool, as_json: bool) -> None:
    """List your runs, those too that have ended and are kept.

    HOST PROCESS says what has become of the `python app.py` that a run belongs to: its process id;
    gone, so that `buildr prune` or the next run removes the container; or unknown from here. A
    container that `buildr run --keep` has left says kept: `buildr stop` and `buildr prune` remove it.
    One that runs without a host process says detached: it stays with its exit status until
    `buildr stop` removes it, or `buildr prune` when it has ended.

    What another machine has started on the same engine is never touched from here.
    """
    from buildr.host.documents import json_text
    from buildr.host.exit_status import exit_status_of
    from buildr.run import runs

    def operation(_signals: Signals) -> int:
        with reached(backend) as engines:
            found = runs.find(engines)
            if quiet:
                for run in found:
                    click.echo(run.short_id)
                return 0
            shown = _examined(found)
        if as_json:
            click.echo(json_text([_document(one) for one in shown]))
        else:
            for line in table([_HEADINGS, *map(_row, shown)]):
                click.echo(line)
        return 0

    context.exit(exit_status_of(operation))


def _examined(found: Iterable[Run]) -> list[_Shown]:
    """Request details that lists do not have."""
    from buildr.cli.image_names import shown_name

    names: dict[tuple[str, str], str] = {}
    shown = []
    for run in found:
        image, state = run.container.image, run.container
        if (run.engine, image) not in names:
            stored = run.backend.image(image) if image else None
            names[run.engine, image] = shown_name(stored, image)
        if state.running:
            state = run.backend.state(state.id) or state
        shown.append(_Shown(run, names[run.engine, image], state.ports))
    return shown


def _row(one: _Shown) -> tuple[str, ...]:
    run = one.run
    ports = ", ".join(map(_mapping, one.ports)) or "-"
    age = _age(run.age_seconds) if run.created else "?"
    return (
        *(run.short_id, run.engine, run.name or "?", one.image or "?", _status(run)),
        *(ports, age, _host(run)),
    )


def _mapping(port: Port) -> str:
    """Return a published port in the format of the engines' own commands."""
    return f"{port.address}->{port.container}/{port.protocol}"


def _status(run: Run) -> str:
    code = run.container.exit_code
    return run.container.status if code is None else f"{run.container.status} ({code})"


def _host(run: Run) -> str:
    return str(run.pid) if run.host == "alive" and not (run.detached or run.kept) else run.owner


def _age(seconds: float) -> str:
    size, unit = next((row for row in _UNITS if seconds >= row[0]), _UNITS[-1])
    return f"{int(seconds // size)} {unit}"


def _document(one: _Shown) -> dict[str, Any]:
    from datetime import UTC, datetime

    run = one.run
    created = datetime.fromtimestamp(run.created, UTC).isoformat() if run.created else None
    return {
        "run": run.id,
        "engine": run.engine,
        "name": run.name,
        "project": run.project,
        "container": run.container.id,
        "image": one.image,
        "image_id": run.container.image,
        "status": run.container.status,
        "running": run.container.running,
        "exit_code": run.container.exit_code,
        "ports": [_mapping(port) for port in one.ports],
        "created": created,
        "age_seconds": round(run.age_seconds) if run.created else None,
        "host": run.owner,
        "kept": run.kept,
        "detached": run.detached,
        "pid": run.pid,
    }
