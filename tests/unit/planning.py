"""A project of one script that is planned and built, for `buildr.testing`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildr.options import package_options
from buildr.plan.entry import Entry
from buildr.plan.project import Project, plan

if TYPE_CHECKING:
    import pytest


def one_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project with ``app.py`` the current directory, with a cache of its own."""
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "app.py").write_text("print()\n")
    monkeypatch.chdir(directory)
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("BUILDR_BASE_IMAGE", raising=False)
    return directory


def planned(script: str = "app.py", **options: Any) -> Project:
    """Plan the image of a script of the current directory."""
    return plan(Entry(kind="script", script=str(Path(script).absolute())), package_options(options))
