"""The metadata of the project in the image, which is not installed."""

from __future__ import annotations

import sys
from importlib.metadata import distribution, version
from typing import TYPE_CHECKING

import pytest

from buildr.dependencies import Dependencies, ProjectFiles, find_dependencies

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = """\
[build-system]
requires = ["hatchling"]
[project]
name = "My.Demo"
description = "a demo"
requires-python = ">=3.9"
{version}
[project.scripts]
demo = "demo:main"
[project.entry-points."demo.plugins"]
one = "demo.one"
[tool.hatch.version]
path = "demo.py"
"""


def found(tmp_path: Path, text: str, **files: str) -> Dependencies:
    (tmp_path / "pyproject.toml").write_text(text)
    for name, content in files.items():
        (tmp_path / name.replace("_dot_", ".")).write_text(content)
    dependencies = find_dependencies(ProjectFiles(context=tmp_path))
    assert dependencies is not None
    return dependencies


def unpacked(tmp_path: Path, dependencies: Dependencies, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in dependencies.own:
        path = tmp_path / "image" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "image")])


def test_the_project_finds_its_version_and_its_plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = PACKAGE.format(version='version = "1.2-rc1"')
    unpacked(tmp_path, found(tmp_path, text), monkeypatch)
    own = distribution("my-demo")
    assert own.version == "1.2-rc1"
    assert own.metadata["Name"] == "My.Demo"
    assert own.metadata["Summary"] == "a demo"
    assert own.metadata["Requires-Python"] == ">=3.9"
    points = {(point.group, point.name, point.value) for point in own.entry_points}
    assert points == {
        ("console_scripts", "demo", "demo:main"),
        ("demo.plugins", "one", "demo.one"),
    }


DYNAMIC = PACKAGE.format(version='dynamic = ["version"]')


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"PKG-INFO": "Name: My.Demo\nVersion: 3.1\n"}, "3.1"),
        ({"PKG-INFO": "Name: other\nVersion: 3.1\n", "demo_dot_py": '__version__ = "4"'}, "4"),
        ({"demo_dot_py": '"""demo"""\n__version__: str = \'4.5\'\n'}, "4.5"),
        ({"demo_dot_py": "__version__ = find()"}, "0+unknown"),
        ({}, "0+unknown"),
    ],
)
def test_a_dynamic_version_is_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], wanted: str
) -> None:
    dependencies = found(tmp_path, DYNAMIC, **files)
    unpacked(tmp_path, dependencies, monkeypatch)
    assert version("my-demo") == wanted
    said = [note for note in dependencies.notes if "version" in note]
    assert bool(said) == (wanted == "0+unknown")


def test_poetry_has_its_own_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """\
[build-system]
requires = ["poetry-core"]
[tool.poetry]
name = "demo"
version = "2.0"
[tool.poetry.plugins."demo.plugins"]
two = "demo.two"
"""
    lock = '[metadata]\nlock-version = "2.1"\npython-versions = "*"\ncontent-hash = "0"\n'
    (tmp_path / "poetry.lock").write_text(lock)
    unpacked(tmp_path, found(tmp_path, text), monkeypatch)
    (point,) = distribution("demo").entry_points
    assert (point.group, point.name, distribution("demo").version) == (
        "demo.plugins",
        "two",
        "2.0",
    )


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nname = "demo"\nversion = "1"\n',  # no package
        '[build-system]\nrequires = []\n[project]\nname = "a\\nb"\nversion = "1"\n',
    ],
)
def test_projects_without_a_package_or_valid_name_have_no_metadata(
    tmp_path: Path, text: str
) -> None:
    assert found(tmp_path, text).own == ()


def test_values_cannot_add_lines_to_the_metadata(tmp_path: Path) -> None:
    text = """\
[build-system]
requires = []
[project]
name = "demo"
version = "1\\nName: other"
description = "one\\nName: other"
[project.scripts]
demo = "demo:main\\n[other]"
"""
    assert b"other" not in b"".join(file.data for file in found(tmp_path, text).own)
