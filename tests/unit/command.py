"""A project in which the command runs as a script, for `buildr.testing`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def command_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """Make a project with ``app.py`` the current directory; ``../command/tool.py`` is the command."""
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "app.py").write_text(script)
    (tmp_path / "command").mkdir()
    (tmp_path / "command" / "tool.py").write_text("from buildr.cli import main\nmain()\n")
    monkeypatch.chdir(directory)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("BUILDR_BACKEND", "BUILDR_BASE_IMAGE", "METAPARTICLE_IN_CONTAINER"):
        monkeypatch.delenv(name, raising=False)
    return directory
