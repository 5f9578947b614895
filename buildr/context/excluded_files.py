"""Files that a scan leaves out, so that their other hard links are left out, too."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from msgspec import structs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from buildr.context.entries import Entry

_MOST_FILES: Final = 10_000  # of an excluded folder that are checked for other links


class ExcludedFiles:
    """The files with several hard links, one of which is left out."""

    def __init__(self) -> None:
        self._keys: set[tuple[int, int]] = set()

    def __bool__(self) -> bool:
        """Whether there is such a file."""
        return bool(self._keys)

    def add(self, status: os.stat_result) -> None:
        """Add a file, unless it has only one link."""
        if status.st_nlink > 1 and stat.S_ISREG(status.st_mode):
            self._keys.add((status.st_dev, status.st_ino))

    def add_folder(self, path: str) -> None:
        """Add the files below a folder that is left out as a whole."""
        left = _MOST_FILES
        for above, _, names in os.walk(path):
            for name in names[:left]:
                with suppress(OSError):
                    self.add(os.lstat(f"{above}/{name}"))
            left -= len(names)
            if left <= 0:
                return

    def without_links(
        self, entries: Iterable[Entry], root: str, leave_out: Callable[[Entry], bool]
    ) -> Iterator[Entry]:
        """Yield the entries that are not links of these files; one that is included becomes a separate file.

        Args:
            entries: the entries of a scan.
            root: the scanned directory.
            leave_out: returns whether a link of such a file is left out.
        """
        first_names: dict[tuple[int, int], str] = {}
        for entry in entries:
            key = (entry.device, entry.inode)
            if key not in self._keys or entry.kind not in ("file", "hardlink"):
                yield entry
            elif leave_out(entry):
                continue
            elif (first := first_names.setdefault(key, entry.path)) != entry.path:
                yield structs.replace(entry, kind="hardlink", size=0, target=first)
            else:
                size = os.lstat(f"{root}/{entry.path}").st_size
                yield structs.replace(entry, kind="file", size=size, target="")
