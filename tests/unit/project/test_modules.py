"""The maximum length of modules, as CONTRIBUTING.md requires, or a reason."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import buildr
import buildr_backends

MOST_LINES = 250
LONGER = {
    "buildr/archive/stream.py",
    "buildr/config/source_values.py",
    "buildr/context/secrets.py",
    "buildr/errors.py",
    "buildr/image/offline_base.py",
    "buildr/installer/changes.py",
    "buildr/options/runtime_declared.py",
    "buildr_backends/http/response.py",
}
"""Modules whose docstring has a line with the reason: "Longer than 250 lines: ..."."""

TOPS = [Path(package.__file__ or "").parent for package in (buildr, buildr_backends)]
MODULES = {str(path.relative_to(top.parent)): path for top in TOPS for path in top.rglob("*.py")}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_module_has_no_more_than_250_lines_or_is_known_to_have_more(name: str) -> None:
    lines = len(MODULES[name].read_text().splitlines())
    assert lines <= MOST_LINES or name in LONGER, f"{lines} lines: split it along a seam"


@pytest.mark.parametrize("name", sorted(LONGER))
def test_a_longer_module_says_why(name: str) -> None:
    text = ast.get_docstring(ast.parse(MODULES[name].read_bytes())) or ""
    assert any(line.startswith(f"Longer than {MOST_LINES} lines: ") for line in text.splitlines())
