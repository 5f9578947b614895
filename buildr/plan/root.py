"""The root of a project: the directory that a program belongs to, independent of the current directory."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from buildr.host.files import SCRIPT_BYTES, read_file

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCKS = ("pylock.toml", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock")
_PROJECT = ("pyproject.toml", *_LOCKS, "requirements.txt", "Pipfile", "setup.py", "setup.cfg")
_REPOSITORY = (".git", ".hg", ".jj", ".svn", ".bzr")
"""In a worktree or submodule ``.git`` is a file."""
_SYSTEM = frozenset(
    (
        *("/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/media", "/mnt", "/opt"),
        *("/proc", "/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/bin", "/usr/lib"),  # noqa: S108 - named, not used
        *("/usr/local", "/usr/local/bin", "/usr/share", "/var", "/var/lib", "/var/tmp"),  # noqa: S108 - named, not used
    )
)
_INLINE = re.compile(rb"^# /// script[ \t]*\r?$", re.MULTILINE)


class Root(Struct, frozen=True, kw_only=True):
    """The root of a project."""

    directory: str
    """Absolute path."""
    marker: str
    """The name of its marker: a file such as ``pyproject.toml``, or the folder of a repository."""


def find_root(directory: str) -> Root | None:
    """Find the root of the project that a directory belongs to.

    That is the nearest directory, from this one up, with a file that describes a project, or the top of a repository.
    The root of a uv workspace is that of its members, since they share its lock and import each other.

    Args:
        directory: an absolute path.

    Returns:
        ``None`` if there is none below the home directory, ``/tmp`` and the like (see `is_wide`).
    """
    for folder in _upwards(directory):
        for name in (*_PROJECT, *_REPOSITORY):
            if os.path.lexists(f"{folder}/{name}"):
                return _workspace_of(folder) or Root(directory=folder, marker=name)
    return None


def is_wide(directory: str) -> bool:
    """Whether a directory is too wide for a context: ``/``, the home directory and its parents, ``/tmp``, ``/etc``."""
    home = os.path.realpath(os.path.expanduser("~"))
    real = os.path.realpath(directory)
    temporary = os.path.realpath(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 - nothing is put there
    return (
        real in ("/", home, temporary) or real in _SYSTEM or home.startswith(real.rstrip("/") + "/")
    )


def has_inline_metadata(script: str) -> bool:
    """Whether a script has inline metadata (PEP 723), so that it does not belong to the surrounding project."""
    try:
        return _INLINE.search(read_file(script, SCRIPT_BYTES)) is not None
    except OSError:
        return False


def _upwards(directory: str) -> Iterator[str]:
    """Yield a directory and its parents, up to the first wide one."""
    while not is_wide(directory):
        yield directory
        directory = os.path.dirname(directory)


def _workspace_of(member: str) -> Root | None:
    """Return the root of a directory's uv workspace."""
    for folder in _upwards(os.path.dirname(member)):
        table = _workspace(f"{folder}/pyproject.toml")
        if table is None:
            continue
        path = os.path.relpath(member, folder)
        if _names(table.get("members"), path) and not _names(table.get("exclude"), path):
            return Root(directory=folder, marker="pyproject.toml")
        return None
    return None


def _workspace(path: str) -> dict[str, Any] | None:
    """Return ``[tool.uv.workspace]`` of a file: https://docs.astral.sh/uv/concepts/projects/workspaces/."""
    try:
        data = read_file(path)
    except OSError:
        return None
    if b"workspace" not in data:  # importing tomllib takes a large part of a run's time
        return None
    import tomllib

    try:
        found: Any = tomllib.loads(data.decode())
    except (ValueError, RecursionError):  # reported when the file is read for its content
        return None
    for key in ("tool", "uv", "workspace"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else None


def _names(patterns: object, path: str) -> bool:
    """Whether one of the globs of a workspace matches a path; a ``*`` matches one component."""
    parts = path.split("/")
    for pattern in patterns if isinstance(patterns, list) else ():
        wanted = os.path.normpath(str(pattern)).split("/")
        if "**" in wanted:
            if fnmatch(path, "/".join(wanted).replace("**", "*")):
                return True
        elif len(wanted) == len(parts) and all(map(fnmatch, parts, wanted)):
            return True
    return False
