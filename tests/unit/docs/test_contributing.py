"""What CONTRIBUTING.md and the forms for issues name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def test_every_file_named_by_the_page_exists() -> None:
    named = set(re.findall(r"(?<![\w/.])(?:[.\w-]+/)+[\w.-]*", PAGE))
    assert len(named) > 15
    named.remove(".venv/bin/activate")  # which the page's own commands make
    assert [name for name in sorted(named) if not (ROOT / name.rstrip(".")).exists()] == []


@pytest.mark.parametrize("name", ["bug.yml", "feature.yml"])
def test_forms_ask_for_the_output_of_doctor(name: str) -> None:
    form = next(path for path in FORMS if path.name == name).read_text()
    field = form.partition("id: doctor")[2].partition("id: ")[0]
    assert "buildr doctor" in field
    assert "required: true" in field
