"""The default ignore rules.

One table; the documentation shows it as it is. ``build/`` and ``dist/`` are not in it: a folder of
that name is as often part of the program (a package, a web front end) as it is an artefact.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from buildr.context.ignore.rules import IgnoreRules

__all__ = ["DEFAULTS", "HISTORIES", "MARKERS", "default_rules", "rules_after_defaults"]

_HISTORIES: Final = ".git .hg .svn .bzr CVS _darcs .jj"
HISTORIES: Final = frozenset(_HISTORIES.split())
"""Names of what version control systems keep, which is left out unless the ignore file asks for it."""

DEFAULTS: Final[tuple[tuple[str, str], ...]] = (
    (
        "history of a version control system",
        _HISTORIES,
    ),
    (
        "environments, which hold builds for the host and are made again in the image",
        ".venv .direnv __pypackages__ node_modules",
    ),
    (
        "bytecode and the caches of tools",
        "__pycache__ *.py[cod] .mypy_cache .pytest_cache .ruff_cache .pytype .hypothesis",
    ),
    (
        "folders that test runners and notebooks keep their state in",
        ".tox .nox .ipynb_checkpoints",
    ),
    (
        "what a build or a test run of a Python project writes beside its source",
        "*.egg-info .eggs .coverage .coverage.* htmlcov",
    ),
    (
        "what editors and desktops leave; it changes with no change of the program",
        ".idea .vscode .DS_Store *~ .#* .*.sw[op]",
    ),
)
"""Rows of a reason and the names that it goes for, at any depth, in the syntax of an ignore file."""

MARKERS: Final[dict[str, str]] = {
    "pyvenv.cfg": "a virtual environment, whatever its name (PEP 405)",
    "conda-meta": "a conda environment",
}
"""A folder that holds one of these names is left out; the context itself never is."""


@cache
def default_rules() -> IgnoreRules:
    """Return the rules that apply without an ignore file."""
    return rules_after_defaults("", source="the defaults of Buildr")


def rules_after_defaults(text: str, source: str) -> IgnoreRules:
    """Return the default rules, followed by lines of an ignore file.

    Args:
        text: the lines; they must be valid.
        source: what messages call them.
    """
    patterns = "\n".join(f"**/{name}" for _, names in DEFAULTS for name in names.split())
    return IgnoreRules.parse(f"{patterns}\n{text}", source=source, markers=frozenset(MARKERS))
