"""A project with a lock, for the tests of installations."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LOCK = (
    'lock-version = "1.0"\ncreated-by = "x"\n'
    '[[packages]]\nname = "a"\nversion = "1"\n'
    'wheels = [{ url = "https://f.example.org/a-1-py3-none-any.whl", hashes = { sha256 = "aa" } }]\n'
    '[[packages]]\nname = "sub"\ndirectory = { path = "sub" }\n'
)
"""A lock of a package from an index and one of the source."""


def lock(directory: Path, more: str = "") -> None:
    """Replace the requirements of a project by a lock."""
    (directory / "requirements.txt").unlink()
    (directory / "sub").mkdir()
    (directory / "pylock.toml").write_text(LOCK + more)
