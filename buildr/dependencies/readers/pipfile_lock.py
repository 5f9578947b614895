"""``Pipfile.lock``, of specification 6: https://pipenv.pypa.io/en/latest/pipfile.html.

It is JSON with one table for each category: ``default``, ``develop`` for ``[dev-packages]``, and others by their names.
"""

from __future__ import annotations

import json
import os
import re
from functools import reduce
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from buildr.dependencies import indexes
from buildr.dependencies.files import decode, inside, read_bytes
from buildr.dependencies.import_roots import source_roots
from buildr.dependencies.locked import Locked, archive, at_url, folder, from_index
from buildr.dependencies.lockfile import chosen, marker, too_many, typed
from buildr.dependencies.markers import NEVER, Condition, Wanted, either
from buildr.dependencies.repositories import REPOSITORIES, Revision, repository
from buildr.dependencies.staging import stage
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from buildr.dependencies.model import Dependencies, ProjectFiles

__all__ = ["accepts", "read"]

_FILE = "Pipfile.lock"
_TOOL = "pipenv lock"
_SPECIFICATION = 6
_DEFAULT = "default"
_ALSO_CALLED = {"dev": "develop", "dev-packages": "develop", "packages": _DEFAULT}
_USUAL = "pypi"
"""What pipenv calls the index that pip is configured for."""


class _Package(Struct, frozen=True):
    version: str | None = None
    hashes: tuple[str, ...] = ()
    markers: str = ""
    index: str | None = None
    editable: bool = False
    path: str | None = None
    file: str | None = None
    git: str | None = None
    hg: str | None = None
    svn: str | None = None
    bzr: str | None = None
    ref: str = ""
    subdirectory: str | None = None


class _Index(Struct, frozen=True):
    name: str
    url: str


class _Requires(Struct, frozen=True):
    python_version: str | None = None
    python_full_version: str | None = None


class _Meta(Struct, frozen=True):
    requires: _Requires = _Requires()
    sources: tuple[_Index, ...] = ()


def accepts(name: str) -> bool:
    """Return whether a file that the user named is one of these."""
    return name == _FILE


def read(project: ProjectFiles, path: str) -> Dependencies:
    """Read the lock: the category ``default``, and those that the user named as groups.

    Raises:
        DependencyError: it cannot be read, or names what cannot be had in an image.
    """
    data = _load(project, path)
    meta = typed(data.pop("_meta"), _Meta, path, _TOOL)
    categories = typed(data, dict[str, dict[str, _Package]], path, _TOOL)
    chosen(project.extras, (), path, "extras")
    named = [_ALSO_CALLED.get(group, group) for group in project.groups]
    groups = (_DEFAULT, *chosen(named, {*categories} - {_DEFAULT}, path, "groups"))
    wanted: dict[str, tuple[_Package, Condition]] = {}
    for group in dict.fromkeys(groups):
        for name, package in categories.get(group, {}).items():
            condition = marker(package.markers, Wanted(), f"{path}: {name}")
            wanted[name] = _joined(wanted.get(name), package, condition, f"{path}: {name}")
    own = {name for name, (package, _) in wanted.items() if _is_project(package)}
    roots = source_roots(project, path) if own else ()
    if roots:
        wanted = {name: found for name, found in wanted.items() if name not in own}
    urls = {source.name: "" if source.name == _USUAL else source.url for source in meta.sources}
    unpinned = [name for name, (package, _) in wanted.items() if package.version == "*"]
    return stage(
        path,
        [_locked(project, path, name, *found, urls) for name, found in wanted.items()],
        indexes=_indexes([package for package, _ in wanted.values()], meta.sources, path),
        requires_python=_python(meta.requires),
        roots=roots,
        notes=[f"{path}: {name} has no version there, so the newest is taken" for name in unpinned],
    )


def _load(project: ProjectFiles, path: str) -> dict[str, Any]:
    text = decode(read_bytes(inside(project, path, path), path), path).text
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DependencyError(f"{path} is not valid JSON: {error}", hint=f"run: {_TOOL}") from None
    found = data.get("_meta") if isinstance(data, dict) else None
    version = found.get("pipfile-spec") if isinstance(found, dict) else None
    if not isinstance(data, dict) or version != _SPECIFICATION:
        raise DependencyError(
            f"{path} is of Pipfile specification {version}, and Buildr reads {_SPECIFICATION}",
            hint=f"write it again: {_TOOL}",
        )
    return data


def _joined(
    before: tuple[_Package, Condition] | None, package: _Package, condition: Condition, where: str
) -> tuple[_Package, Condition]:
    if before is None:
        return package, condition
    if before[0].version != package.version:
        raise DependencyError(
            f"{where} has two versions, {before[0].version} and {package.version}",
            hint="lock both categories together: set use_default_constraints, and run pipenv lock",
        )
    try:
        return before[0], reduce(either, (before[1], condition), NEVER)
    except OverflowError:
        raise too_many(where) from None


def _is_project(package: _Package) -> bool:
    return package.path is not None and os.path.normpath(package.path) == "."


def _locked(
    project: ProjectFiles,
    path: str,
    name: str,
    package: _Package,
    condition: Condition,
    urls: Mapping[str, str],
) -> Locked:
    for kind in REPOSITORIES:
        if url := getattr(package, kind):
            revision = Revision(
                kind=kind, url=url, commit=package.ref, subdirectory=package.subdirectory
            )
            return repository(name, revision, condition, path)
    if package.file is not None and "://" in package.file:
        return at_url(name, package.file, package.hashes, condition, path)
    place = package.path or package.file
    if place is not None:
        real = os.path.join(project.context, os.path.dirname(path), place)
        if os.path.isfile(real):
            return archive(project, path, name, place, condition)
        return folder(project, path, name, place, condition, editable=package.editable)
    version = package.version or "*"
    if version != "*" and not re.fullmatch(r"==[^=\s]+", version):
        raise DependencyError(f"{path}: {name} has the version {version!r}", hint=f"run: {_TOOL}")
    pinned = None if version == "*" else version.removeprefix("==")
    # Without a name it comes from the first, and so do those that the first ones need.
    index = urls.get(package.index or next(iter(urls), ""), "")
    return from_index(name, pinned, package.hashes, condition, path, index=index)


def _indexes(packages: Iterable[_Package], sources: Sequence[_Index], path: str) -> list[str]:
    used = {package.index for package in packages}
    return [
        indexes.line(source.url, path, kind="extra" if number else "only")
        for number, source in enumerate(sources)
        if (source.name in used if number else source.name != _USUAL)
    ]


def _python(requires: _Requires) -> str | None:
    if requires.python_full_version:
        return f"=={requires.python_full_version}"
    return f"=={requires.python_version}.*" if requires.python_version else None
