"""What ``docs/first-steps.md`` says that a newcomer reads is what the code prints."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from buildr.cli import app
from tests.samples import ROOT
from tests.unit.docs.test_troubleshooting import is_said, messages

PAGE = (ROOT / "docs" / "first-steps.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.partition("## What goes wrong")[2].splitlines()
    if line.startswith("| ") and not line.startswith(("| what you did", "| ---"))
]
READ = [row[1].strip("`") for row in ROWS if row[1].startswith("`")]
OF_CLICK = "No such command 'rnu'. Did you mean 'run'?"


def test_every_row_has_a_message_and_advice() -> None:
    assert len(READ) > 15
    assert all(len(row) == 3 for row in ROWS)
    assert [row[0] for row in ROWS if not row[2].strip(" |")] == [
        '`main()` without `if __name__ == "__main__":`'
    ]


@pytest.mark.parametrize("text", [text for text in READ if text != OF_CLICK])
def test_the_messages_on_the_page_are_those_of_the_code(text: str) -> None:
    assert is_said(text, messages())
    longest = max(re.findall(r"[a-z]+", text), key=len)
    assert not is_said(text.replace(longest, f"{longest}x"), messages())


def test_a_mistyped_command_gets_a_suggestion() -> None:
    assert OF_CLICK in CliRunner().invoke(app, ["rnu", "hello.py"]).output


def test_the_steps_are_the_timed_ones() -> None:
    script = (ROOT / "scripts" / "first-steps").read_text()
    timed = re.findall(r'(?m)^step "(.+?)"', script)
    table = PAGE.partition("| step |")[2].partition("\n\n")[0]
    assert len(timed) == len(table.splitlines()) - 3  # its head, and the sum
    for name in timed[:4]:
        assert name.removesuffix(" .venv").removesuffix(" .") in table
