"""``pylock.toml``: https://packaging.python.org/en/latest/specifications/pylock-toml/ (PEP 751)."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from buildr.dependencies import indexes
from buildr.dependencies.import_roots import source_roots
from buildr.dependencies.locked import Locked, archive, at_url, folder, from_index
from buildr.dependencies.lockfile import chosen, load, marker
from buildr.dependencies.markers import NEVER, Condition, Wanted, normalised
from buildr.dependencies.repositories import Revision, repository
from buildr.dependencies.staging import stage
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.pylock import Package, Pylock

    from buildr.dependencies.model import Dependencies, ProjectFiles

__all__ = ["accepts", "read"]

_NAMED = r"pylock(\.[^.]+)?\.toml"


def accepts(name: str) -> bool:
    """Return whether a file that the user named is one of these."""
    return re.fullmatch(_NAMED, name) is not None


def read(project: ProjectFiles, path: str) -> Dependencies:
    """Read the lock: its default groups, and the extras and groups that the user named.

    Raises:
        DependencyError: it cannot be read, is not for Linux, or names what cannot be had in an image.
    """
    lock = _lock(project, path)
    extras = chosen(project.extras, lock.extras or (), path, "extras")
    groups = chosen(project.groups, lock.dependency_groups or (), path, "groups")
    wanted = Wanted(
        extras=tuple(map(normalised, extras)),
        groups=tuple(map(normalised, (*groups, *(lock.default_groups or ())))),
    )
    _check_environments(lock, wanted, path)
    packages = []
    registries = set()
    own = False
    roots = source_roots(project, path)
    for package in lock.packages:
        written = str(package.marker) if package.marker else None
        condition = marker(written, wanted, f"{path}: {package.name}")
        if condition == NEVER:
            continue
        if package.directory and os.path.normpath(package.directory.path) == "." and roots:
            own = True
            continue
        packages.append(_locked(project, path, package, condition))
        if package.index:
            registries.add(package.index)
    return stage(
        path,
        packages,
        indexes=indexes.options(project, path, registries),
        requires_python=str(lock.requires_python) if lock.requires_python else None,
        roots=roots if own else (),
    )


def _lock(project: ProjectFiles, path: str) -> Pylock:
    data = load(project, path)
    try:
        from packaging.pylock import Pylock, PylockValidationError
    except ImportError:
        raise DependencyError(
            f"{path} cannot be read with the installed version of packaging",
            hint="install a newer one: pip install 'packaging>=26.0'",
        ) from None
    try:
        return Pylock.from_dict(data)
    except PylockValidationError as error:
        raise DependencyError(
            f"{path} is not a valid lock: {error}",
            hint="write it again; see https://packaging.python.org/specifications/pylock-toml/",
        ) from None


def _check_environments(lock: Pylock, wanted: Wanted, path: str) -> None:
    written = [str(environment) for environment in lock.environments or ()]
    if written and all(marker(one, wanted, path) == NEVER for one in written):
        raise DependencyError(
            f"{path} is made for other systems than the container's Linux: {'; '.join(written)}",
            hint="lock for Linux as well",
        )


def _locked(project: ProjectFiles, path: str, package: Package, condition: Condition) -> Locked:
    name = str(package.name)
    if package.vcs:
        revision = Revision(
            kind=package.vcs.type,
            url=package.vcs.url or package.vcs.path or "",
            commit=package.vcs.commit_id,
            subdirectory=package.vcs.subdirectory,
        )
        return repository(name, revision, condition, path)
    if package.directory:
        place = os.path.join(package.directory.path, package.directory.subdirectory or "")
        editable = package.directory.editable is True
        return folder(project, path, name, place, condition, editable=editable)
    if package.archive:
        if package.archive.url is None:
            return archive(project, path, name, package.archive.path or "", condition)
        tail = (
            f"#subdirectory={package.archive.subdirectory}" if package.archive.subdirectory else ""
        )
        hashes = _hashes([package.archive.hashes])
        return at_url(name, package.archive.url + tail, hashes, condition, path)
    files = [*(package.wheels or ()), *((package.sdist,) if package.sdist else ())]
    if all(file.url is None for file in files):
        raise DependencyError(
            f"{path}: {name} is a choice of files in the project, and pip chooses from an index alone",
            hint="lock it as an archive, or from an index",
        )
    if package.version is None:
        raise DependencyError(
            f"{path}: {name} has no version, so pip could not tell which one is locked",
            hint="write the lock again, with the version that the file has",
        )
    return from_index(
        name,
        str(package.version),
        _hashes(file.hashes for file in files),
        condition,
        path,
        index=package.index or "",
    )


def _hashes(files: Iterable[object]) -> list[str]:
    return [f"{kind}:{value}" for hashes in files for kind, value in dict(hashes).items()]  # type: ignore[call-overload] # a mapping
