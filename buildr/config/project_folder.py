"""The folder of a project, and which files are its own: links are followed, so that none leads out unseen."""

from __future__ import annotations

import os

__all__ = ["Folder"]

_RUN_BY_HOST = (".git", ".hg", ".jj", ".svn", ".bzr", ".venv", "venv", "env", ".direnv")
"""What is in a project's folder and did not come with it: hooks and settings of version control, environments."""
_ENVIRONMENT = "pyvenv.cfg"


class Folder:
    """The folder of a project.

    Args:
        path: its absolute path.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._real = os.path.realpath(path)

    def holds(self, path: str) -> bool:
        """Whether a file is in the folder, or is the folder.

        Args:
            path: its absolute path.
        """
        real = os.path.realpath(path)
        return real == self._real or real.startswith(f"{self._real.rstrip('/')}/")

    def run_by_host(self, path: str) -> str:
        """Return what in a part of the folder holds programs that the host runs by themselves, such as hooks of Git; empty: nothing.

        Who can write there can leave something that runs outside of the container later.

        Args:
            path: an absolute path in the folder.
        """
        real = os.path.realpath(path)
        for part in os.path.relpath(real, self._real).split("/"):
            if part in _RUN_BY_HOST:
                return path
        if os.path.lexists(f"{real}/{_ENVIRONMENT}"):
            return path
        return next((f"{path}/{name}" for name in self.names_run_by_host(path)), "")

    def names_run_by_host(self, path: str) -> list[str]:
        """Return the names of such folders in a folder."""
        return [name for name in _RUN_BY_HOST if os.path.isdir(f"{path}/{name}")]
