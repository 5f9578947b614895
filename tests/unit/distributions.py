"""Distributions that add something to Buildr by entry points, installed without an installer: no network, no build backend."""

from __future__ import annotations

import os
import shutil
import tomllib
from pathlib import Path

TESTS = Path(__file__).parents[1]


def install(name: str, site: Path) -> Path:
    """Put a distribution into a folder as an installer leaves it; return the folder.

    https://packaging.python.org/en/latest/specifications/recording-installed-packages/

    Args:
        name: of its folder in ``tests``.
        site: where to.
    """
    source = TESTS / name
    pyproject = tomllib.loads((source / "pyproject.toml").read_text())
    for module in pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["include"]:
        shutil.copy(source / module, site)
    project = pyproject["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items())
        for group, points in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups))
    return site


def search_path(site: Path) -> str:
    """Return the ``PYTHONPATH`` with which a process finds what is installed in a folder."""
    return os.pathsep.join(filter(None, (str(site), os.environ.get("PYTHONPATH"))))
