"""The JSON schema of ``[tool.buildr]``: the one in the package is that of the declarations, and says what they say."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft7Validator  # type: ignore[import-untyped] # it has no types

from buildr.cli import app
from buildr.config.schema import FILE, schema
from buildr.options import OPTIONS

ROOT = Path(__file__).resolve().parents[3]
CHECK = Draft7Validator(schema())


def test_the_file_is_made_from_the_declarations_of_today() -> None:
    made = "python -m buildr.config.schema > buildr/config/schema.json"
    assert json.loads(Path(FILE).read_text()) == schema(), f"make it again: {made}"


def test_it_is_a_schema_with_every_option() -> None:
    Draft7Validator.check_schema(schema())
    table = schema()["properties"]["tool"]["properties"]["buildr"]["properties"]
    known = {
        f"{group}.{name}" for group in ("package", "runtime") for name in table[group]["properties"]
    }
    assert set(OPTIONS) <= known
    assert all(table[o.group]["properties"][o.name]["description"] for o in OPTIONS.values())


def test_every_sample_of_the_documentation_is_valid() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    samples = [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", page, re.DOTALL)]
    assert samples
    for sample in samples:
        CHECK.validate(sample)


@pytest.mark.parametrize(
    "table",
    [
        {"bakend": "docker"},
        {"package": {"tga": "v1"}},
        {"package": {"tag": 1}},
        {"runtime": {"ports": "many"}},
        {"runtime": {"interrupt": "both"}},
        {"runtime": {"hardened": "yes"}},
    ],
)
def test_what_is_wrong_is_found(table: dict[str, Any]) -> None:
    assert not CHECK.is_valid({"tool": {"buildr": table}})


@pytest.mark.parametrize(
    "table",
    [
        {"backend": "docker"},
        {"package": {"tag": "v1", "additionalFiles": ["a:/b"]}},
        {"runtime": {"ports": [80, "8080:80"], "env": ["A=1"], "wait_for": "healthy"}},
        {"runtime": {"ports": {"80": 8080}, "env": {"A": "1"}, "memory": 1000000000}},
    ],
)
def test_what_is_right_is_accepted(table: dict[str, Any]) -> None:
    CHECK.validate({"tool": {"buildr": table}})


def test_the_command_prints_it() -> None:
    assert CliRunner().invoke(app, ["config", "--schema"]).output == Path(FILE).read_text()
