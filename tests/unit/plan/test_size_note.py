"""The note on how large a context is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from buildr.plan.sources import read_sources
from buildr.plan.staging import notes
from tests.unit.planning import one_script, planned

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MB = 1_000_000


def grow(path: Path, size: int) -> None:
    """Make a file that takes no space on the disk, and has a size all the same."""
    path.parent.mkdir(exist_ok=True)
    path.touch()
    os.truncate(path, size)


def test_a_context_above_100_mb_is_reported_with_its_largest_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = one_script(tmp_path, monkeypatch)
    for name, size in (("data/a.bin", 50), ("data/b.bin", 30), ("model.bin", 15), ("rest", 4)):
        grow(directory / name, size * MB)
    assert not list(notes(read_sources(planned()), directory))
    grow(directory / "more", 6 * MB)
    assert list(notes(read_sources(planned()), directory)) == [
        (
            "the context is 105 MB, most of it in data/ (80 MB), model.bin (15 MB), more (6 MB);"
            " a .containerignore leaves files out"
        )
    ]
