"""Temporary folders, which are removed even if the creating process is killed.

Each is named after its process. The watchdog or guard of a killed process removes it, or a later run or ``buildr
prune``.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from typing import TYPE_CHECKING

from buildr.host.process import pid_namespace, start_time

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "buildr-folder-"
"""The prefix of all names."""
# The pid namespace, the pid, and the start time of a process; tempfile.mkdtemp adds a random part.
_NAME = re.compile(rf"{PREFIX}(\d+)-(\d+)-(\d+)-.*", re.ASCII | re.DOTALL)
# The places of tempfile.mkdtemp, except for the current directory.
_VARIABLES = ("TMPDIR", "TEMP", "TMP")
_LARGE = "/var/tmp"  # noqa: S108 - on a disk (file-hierarchy(7)); a folder of our own is made there
_PLACES = ("/tmp", _LARGE)  # noqa: S108 - only what is this user's is touched


@contextlib.contextmanager
def folder(*, large: bool = False) -> Iterator[str]:
    """Create a private folder, which is removed at the end.

    Args:
        large: whether its contents may be too large for ``/tmp``, which is often in memory.

    Yields:
        Its path.

    Raises:
        OSError: there is no space.
    """
    import shutil
    import tempfile

    own = f"{pid_namespace()}-{os.getpid()}-{start_time('self')}"
    chosen = any(map(os.environ.get, _VARIABLES)) or not os.access(_LARGE, os.W_OK | os.X_OK)
    place = _LARGE if large and not chosen else None
    path = tempfile.mkdtemp(prefix=f"{PREFIX}{own}-", dir=place)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def sweep() -> None:
    """Remove folders of this user's processes that have certainly ended."""
    here = pid_namespace()
    for place in {*filter(None, map(os.environ.get, _VARIABLES)), *_PLACES}:
        with contextlib.suppress(OSError), os.scandir(place) as found:
            for item in found:
                match = _NAME.fullmatch(item.name)
                if match and match[1] == here and not _lives(match[2], match[3]):
                    _remove(item)


def _lives(pid: str, started: str) -> bool:
    if start_time(pid) != started:
        return False
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # A zombie: it has ended, and its parent has not reaped it yet.
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def _remove(item: os.DirEntry[str]) -> None:
    with contextlib.suppress(OSError):
        status = item.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid():
            import shutil

            shutil.rmtree(item.path, ignore_errors=True)


if __name__ == "__main__":  # run as the guard of a folder
    sweep()
