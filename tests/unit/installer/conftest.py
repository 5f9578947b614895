"""The project that is installed for in these tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script with one requirement, in the current directory; there is no other home and cache."""
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "app.py").write_text("print()\n")
    (directory / "requirements.txt").write_text("rich\n")
    monkeypatch.chdir(directory)
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("BUILDR_BASE_IMAGE", raising=False)
    return directory
