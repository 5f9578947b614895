"""What ``docs/configuration.md`` says of options is what the code has."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import buildr
from buildr.cli import app
from buildr.config.project_file import KEYS, read_project_file
from buildr.options import (
    OPTIONS,
    PackageOptions,
    RuntimeOptions,
    package_options,
    runtime_options,
)

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "configuration.md").read_text()
GROUPS: dict[str, type[Any]] = {"package": PackageOptions, "runtime": RuntimeOptions}


def meanings(group: type[Any]) -> dict[str, str]:
    """Return what the class says of each option."""
    text = inspect.cleandoc(group.__doc__ or "").partition("Attributes:\n")[2]
    rows = re.findall(r"(?m)^    (\w+): (.*(?:\n        .*)*)", text)
    return {name: re.sub(r"\s+", " ", meaning).replace("``", "`") for name, meaning in rows}


def table(kind: str) -> str:
    lines = ["| key | variable | flag | what |", "| --- | --- | --- | --- |"]
    for name, meaning in meanings(GROUPS[kind]).items():
        option = OPTIONS[f"{kind}.{name}"]
        flag = f"`{option.long_flag}`" if option.flags else ""
        lines.append(f"| `{name}` | `{option.variable}` | {flag} | {meaning} |")
    return "\n".join(lines)


@pytest.mark.parametrize("kind", GROUPS)
def test_the_page_has_every_key_variable_and_flag(kind: str) -> None:
    assert list(meanings(GROUPS[kind])) == list(GROUPS[kind].__struct_fields__)
    wanted = f"<!-- {kind} -->\n\n{table(kind)}\n"
    assert wanted in PAGE, f"the table should be:\n{table(kind)}"


def test_every_example_of_the_table_is_valid(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert examples
    for example in examples:
        (tmp_path / "pyproject.toml").write_text(example)
        layer = read_project_file(str(tmp_path))
        assert layer is not None
        assert layer.backend or layer.package or layer.runtime


def test_the_page_names_every_key_and_variable_of_the_help() -> None:
    for key in KEYS:
        assert f"`{key}`" in PAGE
    for name in re.findall(r"BUILDR_[A-Z_]+", CliRunner().invoke(app, ["--help"]).output):
        assert name in PAGE


def test_the_sample_of_all_options_has_all_and_is_valid() -> None:
    [source] = re.findall(r"```python\n@(Containerize\(.*?)```", PAGE, re.DOTALL)
    given: dict[str, Any] = {}

    def take(**options: Any) -> None:
        given.update(options)

    exec(source, {**vars(buildr), "Containerize": take})  # noqa: S102 - our own page
    package_options(given["package"])
    runtime_options(given["runtime"])
    shown = set(given["package"]) | set(given["runtime"])
    known = set(PackageOptions.__struct_fields__) | set(RuntimeOptions.__struct_fields__)
    refused = {"replicas", "shard_spec", "job_spec"}  # validated, and not for a single engine
    assert known - shown - refused <= {"dependencies_file", "include_secrets", "pull"}


def test_readme_leads_to_the_page() -> None:
    assert "(docs/configuration.md)" in (DOCS.parent / "README.md").read_text()
