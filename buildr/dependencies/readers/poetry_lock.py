"""``poetry.lock``, from lock version 2.1 on, which Poetry 2 writes.

Since that version each package has the groups and the condition that it is needed for, so nothing has to be resolved:
https://python-poetry.org/docs/dependency-specification/ and https://python-poetry.org/docs/managing-dependencies/
"""

from __future__ import annotations

import re
from functools import reduce
from typing import TYPE_CHECKING

from msgspec import Struct, field

from buildr.dependencies import indexes
from buildr.dependencies.import_roots import source_roots
from buildr.dependencies.locked import Locked, archive, at_url, folder, from_index
from buildr.dependencies.lockfile import chosen, load, marker, too_many, typed
from buildr.dependencies.markers import NEVER, Condition, Wanted, either, normalised
from buildr.dependencies.repositories import Revision, repository
from buildr.dependencies.staging import stage
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.dependencies.model import Dependencies, ProjectFiles

__all__ = ["accepts", "read"]

_FILE = "poetry.lock"
_TOOL = "poetry lock"
_MAIN = "main"
_OLDEST = (2, 1)
_MAJOR = 2


class _Source(Struct, frozen=True):
    type: str
    url: str
    resolved_reference: str = ""
    subdirectory: str | None = None


class _File(Struct, frozen=True):
    hash: str


class _Package(Struct, frozen=True):
    name: str
    version: str
    groups: tuple[str, ...] = (_MAIN,)
    markers: str | dict[str, str] = ""
    files: tuple[_File, ...] = ()
    source: _Source | None = None
    develop: bool = False


class _Metadata(Struct, frozen=True, rename="kebab"):
    lock_version: str
    python_versions: str = "*"


class _Lock(Struct, frozen=True):
    metadata: _Metadata
    package: tuple[_Package, ...] = ()
    extras: dict[str, tuple[str, ...]] = field(default_factory=dict)


def accepts(name: str) -> bool:
    """Return whether a file that the user named is one of these."""
    return name == _FILE


def read(project: ProjectFiles, path: str) -> Dependencies:
    """Read the lock: the group ``main``, and those that the user named.

    Raises:
        DependencyError: it cannot be read, is older, or names what cannot be had in an image.
    """
    data = load(project, path)
    _check_version(data.get("metadata"), path)
    lock = typed(data, _Lock, path, _TOOL)
    known = {group for package in lock.package for group in package.groups} - {_MAIN}
    groups = (_MAIN, *chosen(project.groups, known, path, "groups"))
    extras = chosen(project.extras, lock.extras, path, "extras")
    wanted = Wanted(extras=tuple(map(normalised, extras)))
    packages = []
    for package in lock.package:
        condition = _condition(package, groups, wanted, path)
        if condition != NEVER:
            packages.append((package, condition))
    return stage(
        path,
        [_locked(project, path, package, condition) for package, condition in packages],
        indexes=_indexes([package for package, _ in packages], path),
        requires_python=_pep440(lock.metadata.python_versions),
        roots=source_roots(project, path),
    )


def _check_version(metadata: object, path: str) -> None:
    version = str(metadata.get("lock-version")) if isinstance(metadata, dict) else "None"
    match = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})", version)
    parts = (int(match[1]), int(match[2])) if match else (0, 0)
    if parts[0] > _MAJOR or not match:
        raise DependencyError(
            f"{path} is of lock version {version}, and Buildr reads {_MAJOR}.x",
            hint="update Buildr, or run: poetry export --output requirements.txt",
        )
    if parts < _OLDEST:
        raise DependencyError(
            f"{path} is of lock version {version}, which does not say what each package is needed for",
            hint="write it again with Poetry 2, which keeps the locked versions: poetry lock",
        )


def _condition(package: _Package, groups: Sequence[str], wanted: Wanted, path: str) -> Condition:
    where = f"{path}: {package.name}"
    written = package.markers
    conditions = (
        marker(written if isinstance(written, str) else written.get(group), wanted, where)
        for group in groups
        if group in package.groups
    )
    try:
        return reduce(either, conditions, NEVER)
    except OverflowError:
        raise too_many(where) from None


def _locked(project: ProjectFiles, path: str, package: _Package, condition: Condition) -> Locked:
    name = package.name
    source = package.source
    hashes = [file.hash for file in package.files]
    if source is None or source.type == "legacy":
        index = source.url if source else ""
        return from_index(name, package.version, hashes, condition, path, index=index)
    match source.type:
        case "url":
            return at_url(name, source.url, hashes, condition, path)
        case "file":
            return archive(project, path, name, source.url, condition)
        case "directory":
            return folder(project, path, name, source.url, condition, editable=package.develop)
        case kind:  # git, or what is not a repository: an error
            revision = Revision(
                kind=kind,
                url=source.url,
                commit=source.resolved_reference,
                subdirectory=source.subdirectory,
            )
            return repository(name, revision, condition, path)


def _indexes(packages: Sequence[_Package], path: str) -> list[str]:
    """Return options for the indexes beside the usual one; in its place, where nothing comes from that."""
    urls = dict.fromkeys(
        package.source.url
        for package in packages
        if package.source and package.source.type == "legacy"
    )
    usual = any(package.source is None for package in packages)
    return [
        indexes.line(url, path, kind="extra" if usual or number else "only")
        for number, url in enumerate(urls)
    ]


def _pep440(versions: str) -> str | None:
    """Write Poetry's constraint as a range by PEP 440; ``None`` where there is no such range."""
    if "|" in versions:
        return None
    found = []
    for part in filter(None, re.split(r" ?, ?| (?=[<>=~!^])", " ".join(versions.split()))):
        match = re.fullmatch(r"(\^|~|)\s*([0-9]+)((?:\.[0-9]+)*)(\.\*)?", part)
        if part == "*":
            continue
        if match is None:
            found.append(part)
        elif match[1] == "^":
            found.append(f">={match[2]}{match[3]},<{int(match[2]) + 1}")
        elif match[1] == "~" and match[3]:
            minor = int(match[3].split(".")[1])
            found.append(f">={match[2]}{match[3]},<{match[2]}.{minor + 1}")
        elif match[1] == "~":
            found.append(f">={match[2]},<{int(match[2]) + 1}")
        else:
            found.append(f"=={match[2]}{match[3]}{match[4] or ''}")
    return ",".join(found) or None
