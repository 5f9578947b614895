"""What ``docs/secrets.md`` says of files that do not travel is what the tables say."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from buildr.cli import app
from buildr.context.ignore.defaults import DEFAULTS, MARKERS
from buildr.context.secret_names import FOLDERS, ROWS

DOCS = Path(__file__).resolve().parents[3] / "docs" / "secrets.md"


def table(head: str, rows: list[tuple[str, str]]) -> str:
    lines = [f"| {head} | why |", "| --- | --- |", *(f"| {names} | {why} |" for names, why in rows)]
    return "\n".join(lines)


def code(names: str) -> str:
    return " ".join(f"`{name}`" for name in names.split())


def of_secrets() -> str:
    rows = [
        (
            code(" ".join(name for name in row.names.split() if not name.startswith("!")))
            + (
                " but not " + code(" ".join(n[1:] for n in row.names.split() if n.startswith("!")))
                if "!" in row.names
                else ""
            )
            + (" where the content shows it" if row.shows else "")
            + (" unless the content is public" if row.unless else ""),
            row.reason,
        )
        for row in ROWS
    ]
    rows += [(" ".join(f"`{name}/`" for name in row.names.split()), row.reason) for row in FOLDERS]
    return table("files", rows)


def of_defaults() -> str:
    rows = [(code(names), why) for why, names in DEFAULTS]
    rows += [(f"a folder with `{name}` in it", why) for name, why in MARKERS.items()]
    return table("names, at any depth", rows)


@pytest.mark.parametrize(("mark", "made"), [("secrets", of_secrets), ("defaults", of_defaults)])
def test_the_page_lists_the_files_that_are_left_out(mark: str, made: object) -> None:
    assert callable(made)
    wanted = made()
    assert f"<!-- {mark} -->\n\n{wanted}\n\n" in DOCS.read_text(), f"the table should be:\n{wanted}"


@pytest.mark.parametrize("command", ["run", "build"])
def test_a_flag_sends_secrets(command: str) -> None:
    assert (
        "--include-secrets"
        in CliRunner().invoke(app, [command, "--help-all" if command == "run" else "--help"]).output
    )
