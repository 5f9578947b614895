"""``pdm.lock``, of lock version 4: https://pdm-project.org/en/latest/usage/lockfile/.

With PDM's default strategy ``inherit_metadata`` each package has the groups and the condition that it is needed for. PDM does not
write down which index a package comes from, so pip gets all that the project names; hashes decide.
"""

from __future__ import annotations

import os
import re
from functools import reduce
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.dependencies import indexes
from buildr.dependencies.import_roots import source_roots
from buildr.dependencies.locked import Locked, archive, at_url, folder, from_index
from buildr.dependencies.lockfile import chosen, load, marker, too_many, typed
from buildr.dependencies.markers import NEVER, Condition, Wanted, either, normalised
from buildr.dependencies.repositories import REPOSITORIES, Revision, repository
from buildr.dependencies.staging import stage
from buildr.errors import DependencyError
from buildr.host.documents import table_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.dependencies.model import Dependencies, ProjectFiles

__all__ = ["accepts", "read"]

_TOOL = "pdm lock"
_DEFAULT = "default"
_MAJOR = "4"


class _File(Struct, frozen=True):
    hash: str | None = None


class _Package(Struct, frozen=True):
    name: str
    version: str | None = None
    groups: tuple[str, ...] = ()
    """Empty without the strategy ``inherit_metadata``."""
    marker: str = ""
    extras: tuple[str, ...] = ()
    """Of an entry beside the package's own, for what its extras need."""
    files: tuple[_File, ...] = ()
    path: str | None = None
    url: str | None = None
    editable: bool = False
    git: str | None = None
    hg: str | None = None
    svn: str | None = None
    bzr: str | None = None
    revision: str = ""
    subdirectory: str | None = None


class _Target(Struct, frozen=True):
    requires_python: str | None = None
    platform: str | None = None


class _Metadata(Struct, frozen=True):
    lock_version: str
    groups: tuple[str, ...] = (_DEFAULT,)
    targets: tuple[_Target, ...] = ()


class _Lock(Struct, frozen=True):
    metadata: _Metadata
    package: tuple[_Package, ...] = ()


def accepts(name: str) -> bool:
    """Return whether a file that the user named is one of these."""
    return re.fullmatch(r"pdm(\.[\w-]+)?\.lock", name) is not None


def read(project: ProjectFiles, path: str) -> Dependencies:
    """Read the lock: the group ``default``, and the extras and groups that the user named.

    Raises:
        DependencyError: it cannot be read, or names what cannot be had in an image.
    """
    lock = typed(load(project, path), _Lock, path, _TOOL)
    version = lock.metadata.lock_version
    if version.split(".")[0] != _MAJOR:
        raise DependencyError(
            f"{path} has lock version {version}, and Buildr reads {_MAJOR}.x", hint=f"run: {_TOOL}"
        )
    others = {*lock.metadata.groups} - {_DEFAULT}
    groups = {
        _DEFAULT,
        *chosen(project.extras, others, path, "extras"),
        *chosen(project.groups, others, path, "groups"),
    }
    notes = _check(lock, others, path)
    wanted: dict[tuple[str, str | None], tuple[_Package, Condition]] = {}
    # A package's own entry comes before those for its extras.
    for package in sorted(lock.package, key=lambda package: bool(package.extras)):
        if package.groups and not groups.intersection(package.groups):
            continue
        where = f"{path}: {package.name}"
        condition = marker(package.marker, Wanted(), where)
        key = (normalised(package.name), package.version)
        before = wanted.get(key, (package, NEVER))
        try:
            wanted[key] = before[0], reduce(either, (before[1], condition), NEVER)
        except OverflowError:
            raise too_many(where) from None
    return stage(
        path,
        [_locked(project, path, *found) for found in wanted.values()],
        indexes=_indexes(project, path),
        requires_python=_python(lock.metadata.targets),
        roots=source_roots(project, path),
        notes=notes,
    )


def _check(lock: _Lock, others: set[str], path: str) -> list[str]:
    """Return what a user should know about a lock without the conditions of its packages.

    Raises:
        DependencyError: it is for other systems, or does not say which group needs a package.
    """
    platforms = [target.platform for target in lock.metadata.targets]
    if platforms and all(one and "linux" not in one for one in platforms):
        raise DependencyError(
            f"{path} is made for other systems than the container's Linux: {', '.join(filter(None, platforms))}",
            hint="run: pdm lock --platform linux --append",
        )
    if not lock.package or any(package.groups for package in lock.package):
        return []
    if others:
        raise DependencyError(
            f"{path} does not say which group needs a package",
            hint="run: pdm lock --strategy inherit_metadata",
        )
    note = (
        f"{path} does not say under which conditions a package is needed, so all are installed;"
        " `pdm lock --strategy inherit_metadata` writes them down"
    )
    return [note]


def _locked(project: ProjectFiles, path: str, package: _Package, condition: Condition) -> Locked:
    name = package.name
    hashes = [file.hash for file in package.files if file.hash]
    for kind in REPOSITORIES:
        if url := getattr(package, kind):
            revision = Revision(
                kind=kind, url=url, commit=package.revision, subdirectory=package.subdirectory
            )
            return repository(name, revision, condition, path)
    if package.url is not None:
        tail = f"#subdirectory={package.subdirectory}" if package.subdirectory else ""
        return at_url(name, package.url + tail, hashes, condition, path)
    if package.path is not None:
        real = os.path.join(project.context, os.path.dirname(path), package.path)
        if os.path.isfile(real):
            return archive(project, path, name, package.path, condition)
        return folder(project, path, name, package.path, condition, editable=package.editable)
    if package.version is None:
        raise DependencyError(f"{path}: {name} has no version", hint=f"run: {_TOOL}")
    return from_index(name, package.version, hashes, condition, path)


def _indexes(project: ProjectFiles, path: str) -> tuple[str, ...]:
    beside = os.path.join(os.path.dirname(path), "pyproject.toml")
    if not os.path.lexists(os.path.join(project.context, beside)):
        return ()
    tool = table_at(load(project, beside), "tool")
    found = indexes.declared({"pdm": table_at(tool, "pdm")})
    return indexes.lines(found, beside)


def _python(targets: Sequence[_Target]) -> str | None:
    return targets[0].requires_python if len(targets) == 1 else None
