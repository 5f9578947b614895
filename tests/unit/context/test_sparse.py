from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from buildr.context.sparse import Extent, data_extents

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

BLOCK = 4096


def make(path: Path, size: int, offsets: Iterable[int] = ()) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for offset in offsets:
            file.seek(offset)
            file.write(b"x" * BLOCK)
    return path


def extents(path: Path, size: int | None = None) -> list[Extent]:
    file = os.open(path, os.O_RDONLY)
    try:
        status = os.fstat(file)
        return data_extents(file, status.st_size if size is None else size, status)
    finally:
        os.close(file)


def needs_holes(path: Path) -> None:
    if path.stat().st_blocks * 512 >= path.stat().st_size:
        pytest.skip("no sparse files here")


def test_a_file_without_holes_is_one_extent(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 10_000)
    assert extents(tmp_path / "a") == [Extent(0, 10_000)]


def test_an_empty_file_has_no_extent(tmp_path: Path) -> None:
    assert extents(make(tmp_path / "a", 0)) == []


def test_a_file_of_one_hole_has_no_extent(tmp_path: Path) -> None:
    file = make(tmp_path / "a", 1_000_000)
    needs_holes(file)
    assert extents(file) == []


def test_extents_are_the_written_ranges(tmp_path: Path) -> None:
    file = make(tmp_path / "a", 1_000_001, [0, 10 * BLOCK, 11 * BLOCK, 1_000_001 - BLOCK])
    needs_holes(file)
    last = 1_000_001 - BLOCK
    first_of_last = last // BLOCK * BLOCK
    assert extents(file) == [
        Extent(0, BLOCK),
        Extent(10 * BLOCK, 2 * BLOCK),
        Extent(first_of_last, 1_000_001 - first_of_last),
    ]


def test_later_appended_data_is_ignored(tmp_path: Path) -> None:
    file = make(tmp_path / "a", 1_000_000, [0, 500_000])
    needs_holes(file)
    assert extents(file, 100_000) == [Extent(0, BLOCK)]


def test_a_long_list_is_shortened_by_merging_small_holes(tmp_path: Path) -> None:
    close = [number * 2 * BLOCK for number in range(10_100)]
    far = 400 * 1024 * 1024
    file = make(tmp_path / "a", far + BLOCK, [*close, far])
    needs_holes(file)
    assert extents(file) == [Extent(0, close[-1] + BLOCK), Extent(far, BLOCK)]


def test_without_support_of_the_file_system_all_is_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make(tmp_path / "a", 1_000_000)
    needs_holes(file)

    def lseek(_file: int, _offset: int, _how: int) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "lseek", lseek)
    assert extents(file) == [Extent(0, 1_000_000)]


def test_extents_are_aligned_to_tar_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make(tmp_path / "a", 100_000)
    needs_holes(file)
    # A file system that knows holes to the byte: data at 700-1500, 5000-5001 and 99000-99999.
    stretches = [(700, 1500), (5000, 5001), (99_000, 99_999)]

    def lseek(_file: int, offset: int, how: int) -> int:
        for start, end in stretches:
            if how == os.SEEK_DATA and offset < end:
                return max(start, offset)
            if how == os.SEEK_HOLE and start <= offset < end:
                return end
        raise OSError(errno.ENXIO, "No such device or address")

    monkeypatch.setattr(os, "lseek", lseek)
    assert extents(file) == [Extent(512, 1024), Extent(4608, 512), Extent(98_816, 100_000 - 98_816)]
