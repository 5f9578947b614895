"""The directory in which this process was started: a script may call `os.chdir` before anything else runs."""

from __future__ import annotations

import os

_directory = ""


def record() -> None:
    """Remember the current directory as the one in which the program was started."""
    global _directory  # noqa: PLW0603 - one process starts once; `buildr.testing` starts programs inside it
    try:
        _directory = os.getcwd()
    except OSError:  # it has been removed
        _directory = ""


def directory() -> str:
    """Return the absolute path of the directory in which the program was started.

    Raises:
        FileNotFoundError: that directory was removed before the program started.
    """
    return _directory or os.getcwd()


record()
