"""The initial working directory of this process, since a script may call `os.chdir` first."""

from __future__ import annotations

import os

_directory = ""


def record() -> None:
    """Record the current directory as the initial one."""
    global _directory  # noqa: PLW0603 - a process starts once; `buildr.testing` starts programs inside it
    try:
        _directory = os.getcwd()
    except OSError:  # the directory has been removed
        _directory = ""


def directory() -> str:
    """Return the absolute path of the directory in which the program was started.

    Raises:
        FileNotFoundError: that directory was removed before the program started.
    """
    return _directory or os.getcwd()


record()
