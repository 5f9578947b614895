"""The files that `buildr run --watch` watches, and their state at one time.

The state is what decides a build: the digest of the files that travel, from the index (`buildr.context.index`), which
checks the status of each file and reads changed ones. So ignored files do not matter, and no separate patterns are
needed. A few files that decide options or dependencies are watched even if they do not travel, such as ``.env``.
docs/decisions.md says why it does not use inotify.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.dependencies import SOURCES
from buildr.dependencies.files import paths_read
from buildr.errors import BuildrError, ContextError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildr.context.index import Snapshot
    from buildr.options import Package, Runtime
    from buildr.plan.entry import Entry
    from buildr.plan.project import Project

# Files that can decide options or dependencies, even if they are ignored.
_DECIDING = (
    *(".containerignore", ".dockerignore", ".python-version"),
    *(file for _, file in SOURCES if file),
)


class View(Struct, frozen=True, kw_only=True):
    """The watched files."""

    project: Project
    files: tuple[str, ...]
    """Absolute paths of files that matter even if they do not travel."""


class State(Struct, frozen=True, kw_only=True, eq=False):
    """The state of the watched files at one time."""

    tree: Snapshot | None
    """The context; ``None`` while it cannot be read."""
    rest: tuple[object, ...]
    """The state of everything else, for comparison."""

    def is_as(self, other: State) -> bool:
        """Whether two states are the same."""
        if self.tree is None or other.tree is None:
            return self.tree is other.tree and self.rest == other.rest
        return self.tree.digest == other.tree.digest and self.rest == other.rest


def view(entry: Entry, package: Package, runtime: Runtime) -> View:
    """Return the files that decide a run of a program.

    Raises:
        BuildrError: it cannot run; see `buildr.plan.project.plan`.
    """
    from buildr.plan.project import plan

    # As if it travelled, even if the source is mounted.
    with paths_read() as read:
        project = plan(entry, package, env_files=runtime.env_file)
    context = project.placement.context
    files = list(dict.fromkeys((*(os.path.join(context, name) for name in _DECIDING), *read)))
    files += [os.path.abspath(os.path.expanduser(path)) for path in runtime.env_file]
    if package.dependencies_file:
        files.append(os.path.join(context, os.path.expanduser(package.dependencies_file)))
    if project.dockerfile:
        files += [
            project.dockerfile + suffix for suffix in ("", ".containerignore", ".dockerignore")
        ]
    return View(project=project, files=tuple(files))


def look(seen: View) -> State:
    """Return the current state; an error becomes part of the state, and the build will report it."""
    from buildr.plan.sources import read_sources

    files = tuple(map(_status, seen.files))
    try:
        sources = read_sources(seen.project)
    except BuildrError as error:
        return State(tree=None, rest=(*files, str(error)))
    return State(tree=sources.tree, rest=(*files, sources.extra_digest))


def _status(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode


def changed(old: State, new: State, files: Iterable[str]) -> tuple[str, ...]:
    """Return the paths that differ, for users; none if they are unknown.

    Args:
        old: the state before.
        new: the one after.
        files: the files of the view.
    """
    found: dict[str, None] = {}
    if old.tree is not None and new.tree is not None:
        before, after = _rows(old.tree), _rows(new.tree)
        found = dict.fromkeys(row[0] for row in sorted(before ^ after) if row[1] != "dir")
    pairs = zip(files, old.rest, new.rest, strict=False)
    found |= dict.fromkeys(os.path.basename(path) for path, was, now in pairs if was != now)
    return tuple(found)


def _rows(tree: Snapshot) -> set[tuple[str, str, int, str, bytes]]:
    entries = zip(tree.scan.entries, tree.contents, strict=True)
    return {(e.path, e.kind, e.mode, e.target, content) for e, content in entries}


def refuse_own_output(state: State) -> None:
    """Refuse output to a watched file, which would restart forever.

    Raises:
        ContextError: standard output or error is a file that travels.
    """
    for fd, name in ((1, "output"), (2, "error")):
        try:
            found = os.fstat(fd)
        except OSError:
            continue
        for entry in state.tree.scan.entries if state.tree and stat.S_ISREG(found.st_mode) else ():
            if (entry.device, entry.inode) == (found.st_dev, found.st_ino):
                raise ContextError(
                    f"standard {name} is written to {entry.path}, which is watched: each line would run the script again",
                    hint="Write it elsewhere, or name the file in .containerignore.",
                )
