"""The locks in ``requirements/`` pin with hashes all that ``pyproject.toml`` asks for, and name no place."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = {"run": ("build",), "dev": ("test", "lint", "docs")}
"""Each with its groups; these have the dependencies of the package, too."""
TOOLS = {"fuzz": ("fuzz",)}
"""Likewise, without them."""
ALL = [*LOCKS, *TOOLS]


def entries(lock: str) -> list[str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    lines = re.sub(r"(?m)^\s*#.*\n", "", text).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip()]


def pins(lock: str) -> dict[str, Requirement]:
    found = [Requirement(entry.partition(" --hash")[0]) for entry in entries(lock)]
    return {canonicalize_name(one.name): one for one in found}


def wanted(groups: tuple[str, ...], *, alone: bool = False) -> list[str]:
    found: list[str] = [] if alone else list(PYPROJECT["project"]["dependencies"])
    waiting: list[Any] = list(groups)
    while waiting:
        for item in PYPROJECT["dependency-groups"][waiting.pop()]:
            if isinstance(item, str):
                found.append(item)
            else:
                waiting.append(item["include-group"])
    return found


@pytest.mark.parametrize("lock", ALL)
def test_every_entry_is_one_version_with_hashes(lock: str) -> None:
    for entry in entries(lock):
        assert re.fullmatch(
            r"[a-z0-9-]+==\S+( ; [^\\]+?)?(\s+--hash=sha256:[0-9a-f]{64})+", entry.rstrip()
        ), entry


@pytest.mark.parametrize("lock", ALL)
def test_all_requirements_are_pinned(lock: str) -> None:
    found = pins(lock)
    for text in wanted({**LOCKS, **TOOLS}[lock], alone=lock in TOOLS):
        asked = Requirement(text)
        (pin,) = found[canonicalize_name(asked.name)].specifier
        assert asked.specifier.contains(pin.version, prereleases=True), f"{text}: run scripts/lock"


@pytest.mark.parametrize("lock", ALL)
def test_no_index_or_path_is_named(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    assert not re.search(r"://|--(?:extra-)?index|--find-links|--trusted", text)


def test_the_locks_agree() -> None:
    found = pins("dev")
    assert all(str(found[name]) == str(pin) for name, pin in pins("run").items())


def test_an_unpinned_requirement_would_be_found() -> None:
    assert wanted(("lint",)) != wanted(("test",))
    assert len(pins("dev")) > len(pins("run")) > len(PYPROJECT["project"]["dependencies"])
