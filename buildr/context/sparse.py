"""Where a file has data, and where it has holes."""

from __future__ import annotations

import errno
import os
from typing import Final, NamedTuple

__all__ = ["Extent", "data_extents"]

_BLOCK: Final = 512
_MOST_EXTENTS: Final = 10_000


class Extent(NamedTuple):
    """A stretch of a file, in bytes."""

    offset: int
    length: int


def data_extents(file: int, size: int, status: os.stat_result) -> list[Extent]:
    """List the stretches of the first ``size`` bytes of a file that are not holes.

    Both ends are multiples of 512 bytes, or the end of the file: GNU tar pads every stretch to a block, other
    readers do not, and so both read the same. Very many stretches are joined over the smaller holes between
    them, since Go's archive/tar refuses a list of more than 1 MiB.

    Args:
        file: an open descriptor; its position is moved.
        size: bytes of interest.
        status: the file's own.

    Returns:
        In ascending order, not touching each other; one stretch for a file without holes.
    """
    whole = [Extent(0, size)] if size else []
    if status.st_blocks * _BLOCK >= size:
        return whole
    found: list[Extent] = []
    end = 0
    while end < size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
            end = os.lseek(file, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole up to the end
                break
            return whole  # this file system cannot tell
        start = start // _BLOCK * _BLOCK
        end = min(-(-end // _BLOCK) * _BLOCK, size)
        if start < end:
            found.append(Extent(start, end - start))
    return _join(found)


def _join(extents: list[Extent]) -> list[Extent]:
    hole = 1
    while True:
        joined: list[Extent] = []
        for extent in extents:
            last = joined[-1] if joined else None
            if last is not None and extent.offset - last.offset - last.length < hole:
                joined[-1] = Extent(last.offset, extent.offset + extent.length - last.offset)
            else:
                joined.append(extent)
        if len(joined) <= _MOST_EXTENTS:
            return joined
        hole *= 8
