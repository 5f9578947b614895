"""``uv.lock``, and ``app.py.lock`` beside a script with inline metadata.

uv keeps the format for itself but says how it is versioned: within version 1, older readers can read newer files
(https://docs.astral.sh/uv/concepts/projects/layout/#the-lockfile).
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit, urlunsplit

from buildr.dependencies import indexes
from buildr.dependencies.import_roots import source_roots
from buildr.dependencies.locked import Locked, archive, at_url, folder, from_index, repository
from buildr.dependencies.lockfile import chosen, load, typed
from buildr.dependencies.markers import ALWAYS, Condition, Wanted, normalised
from buildr.dependencies.requirement import without_password
from buildr.dependencies.staging import stage
from buildr.dependencies.uv_graph import Graph, Lock, Package
from buildr.dependencies.workspace import chosen_member
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from buildr.dependencies.model import Dependencies, ProjectFiles

__all__ = ["accepts", "read", "read_script"]

_FILE = "uv.lock"
_VERSION = 1


def accepts(name: str) -> bool:
    """Return whether a file that the user named is one of these."""
    return name == _FILE


def read(project: ProjectFiles, path: str) -> Dependencies:
    """Read a lock of a project.

    Raises:
        DependencyError: it cannot be read, or names what cannot be had in an image.
    """
    lock = _lock(project, path, "uv lock")
    roots = _roots(project, path, lock)
    extras = chosen(
        project.extras,
        {
            name
            for root in roots
            for name in (*root.optional_dependencies, *root.metadata.provides_extras)
        },
        path,
        "extras",
    )
    groups = chosen(
        project.groups,
        {
            *lock.manifest.dependency_groups,
            *(
                name
                for root in roots
                for name in (*root.dev_dependencies, *root.metadata.requires_dev)
            ),
        },
        path,
        "groups",
    )
    graph = Graph(lock, path, _activated(roots, extras, groups))
    for root in roots:
        graph.need(root, ALWAYS, extras)
        for group in groups:
            graph.follow(root.dev_dependencies.get(group, ()), ALWAYS)
    for group in groups:
        graph.follow(lock.manifest.dependency_groups.get(group, ()), ALWAYS)
    # One project is imported from where it is, as the others are that are needed where they are editable.
    own = roots[0] if len(roots) == 1 else None
    return _staged(project, path, lock, graph, own)


def _roots(project: ProjectFiles, path: str, lock: Lock) -> list[Package]:
    """Return the projects whose dependencies are meant: the script's own, else the one at the top, else all members."""
    local = {package.name: package for package in lock.package if package.source.folder is not None}
    members = {name: local[name] for name in lock.manifest.members if name in local}
    name = chosen_member(
        project,
        [(name, package.source.folder or ".") for name, package in members.items()],
        path,
    )
    if name is not None:
        return [members[name]]
    # Where the top of a workspace is not a project, all members are meant, as `uv sync --all-packages` does it.
    return [package for package in lock.package if package.is_root] or [*members.values()]


def read_script(project: ProjectFiles, path: str) -> Dependencies:
    """Read the lock of a script.

    Raises:
        DependencyError: see `read`.
    """
    lock = _lock(project, path, "uv lock --script")
    graph = Graph(lock, path, Wanted())
    graph.follow(lock.manifest.requirements, ALWAYS)
    return _staged(project, path, lock, graph, None)


def _lock(project: ProjectFiles, path: str, tool: str) -> Lock:
    data = load(project, path)
    if data.get("version") != _VERSION:
        raise DependencyError(
            f"{path} is of version {data.get('version')!r}, and Buildr reads version {_VERSION}",
            hint="run: uv export --format pylock.toml --output-file pylock.toml",
        )
    return typed(data, Lock, path, tool)


def _activated(roots: Sequence[Package], extras: Iterable[str], groups: Iterable[str]) -> Wanted:
    """Return what markers may name: where extras or groups conflict, uv writes them with their package's name."""
    names = [*extras]
    for root in roots:
        names.append(f"project-{len(root.name)}-{root.name}")
        names += (f"extra-{len(root.name)}-{root.name}-{extra}" for extra in extras)
        names += (f"group-{len(root.name)}-{root.name}-{group}" for group in groups)
    return Wanted(extras=tuple(map(normalised, names)), groups=tuple(map(normalised, groups)))


def _staged(
    project: ProjectFiles,
    path: str,
    lock: Lock,
    graph: Graph,
    own: Package | None,
) -> Dependencies:
    """Return what is to be installed; `own` is the project that the script belongs to, and is not."""
    packages = [] if own is None else [*_in_place(project, path, own)]
    registries = set()
    for (number, extra), condition in graph.needed.items():
        package = lock.package[number]
        if extra or package == own or package.source.virtual is not None:
            continue
        packages.append(_locked(project, path, package, condition))
        if package.source.registry is not None:
            registries.add(package.source.registry)
    return stage(
        path,
        packages,
        indexes=indexes.options(project, path, registries),
        requires_python=lock.requires_python,
    )


def _in_place(project: ProjectFiles, path: str, own: Package) -> Iterator[Locked]:
    """Yield the project that the script belongs to, if it is a package."""
    if own.source.virtual is None:
        place = os.path.normpath(os.path.join(os.path.dirname(path), own.source.folder or "."))
        roots = source_roots(project, os.path.normpath(f"{place}/pyproject.toml"))
        if roots:
            yield Locked(name=own.name, requirement="", local=True, project=place, roots=roots)


def _locked(project: ProjectFiles, path: str, package: Package, condition: Condition) -> Locked:
    source = package.source
    name = package.name
    files = (*((package.sdist,) if package.sdist else ()), *package.wheels)
    hashes = [file.hash for file in files if file.hash]
    if source.registry is not None:
        if "://" not in source.registry:
            raise DependencyError(
                f"{path}: {name} comes from the folder {source.registry!r}, which pip in the image does not ask",
                hint="name the file itself in tool.uv.sources, or use an index with a URL",
            )
        return from_index(name, package.version, hashes, condition, path, index=source.registry)
    if source.git is not None:
        return _of_git(name, source.git, condition, path)
    if source.url is not None:
        tail = f"#subdirectory={source.subdirectory}" if source.subdirectory else ""
        return at_url(name, source.url + tail, hashes, condition, path)
    if source.path is not None:
        return archive(project, path, name, source.path, condition)
    if source.folder is None:
        raise DependencyError(
            f"{path}: {name} comes from a source that Buildr does not know",
            hint="run: uv export --format pylock.toml --output-file pylock.toml",
        )
    editable = source.editable is not None
    return folder(project, path, name, source.folder, condition, editable=editable)


def _of_git(name: str, url: str, condition: Condition, path: str) -> Locked:
    """Read ``https://host/repository?subdirectory=x&rev=main#commit``."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if not re.fullmatch(r"[0-9a-f]{7,64}", parts.fragment):
        raise DependencyError(
            f"{path}: {name} has no commit in {without_password(url)!r}",
            hint="write the lock again: uv lock",
        )
    return repository(
        name,
        "git",
        urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")),
        parts.fragment,
        condition,
        path,
        subdirectory=query.get("subdirectory", [None])[0],
    )
