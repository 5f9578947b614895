"""``uv.lock``, and ``app.py.lock`` beside a script with inline metadata.

uv keeps the format for itself but says how it is versioned: within version 1, older readers can read newer files
(https://docs.astral.sh/uv/concepts/projects/layout/#the-lockfile). A lock holds the packages for every platform as
a graph, whose edges have markers; which of them is needed under which condition is found by walking it.
"""

from __future__ import annotations

import os
import re
from functools import reduce
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit, urlunsplit

from msgspec import Struct, field

from buildr.dependencies import indexes
from buildr.dependencies.import_roots import source_roots
from buildr.dependencies.locked import Locked, archive, at_url, folder, from_index, repository
from buildr.dependencies.lockfile import chosen, load, marker, too_many, typed
from buildr.dependencies.markers import ALWAYS, NEVER, Condition, Wanted, both, either, normalised
from buildr.dependencies.requirement import is_buildr, without_password
from buildr.dependencies.staging import stage
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from buildr.dependencies.model import Dependencies, ProjectFiles

__all__ = ["accepts", "find", "read", "read_script"]

_FILE = "uv.lock"
_VERSION = 1


class _Source(Struct, frozen=True, forbid_unknown_fields=False):
    registry: str | None = None
    git: str | None = None
    url: str | None = None
    path: str | None = None
    directory: str | None = None
    editable: str | None = None
    virtual: str | None = None
    subdirectory: str | None = None

    @property
    def folder(self) -> str | None:
        return self.editable or self.virtual or self.directory


class _File(Struct, frozen=True):
    hash: str | None = None


class _Edge(Struct, frozen=True):
    name: str
    version: str | None = None
    source: _Source | None = None
    marker: str | None = None
    extra: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    """The same, in a script's own requirements."""


class _Metadata(Struct, frozen=True, rename="kebab"):
    provides_extras: tuple[str, ...] = ()
    requires_dev: dict[str, tuple[_Edge, ...]] = field(default_factory=dict)


class _Package(Struct, frozen=True, rename="kebab"):
    name: str
    source: _Source
    version: str | None = None
    resolution_markers: tuple[str, ...] = ()
    """Where it is one of several of its name: one of these holds."""
    dependencies: tuple[_Edge, ...] = ()
    optional_dependencies: dict[str, tuple[_Edge, ...]] = field(default_factory=dict)
    dev_dependencies: dict[str, tuple[_Edge, ...]] = field(default_factory=dict)
    sdist: _File | None = None
    wheels: tuple[_File, ...] = ()
    metadata: _Metadata = _Metadata()

    @property
    def is_root(self) -> bool:
        return self.source.folder is not None and os.path.normpath(self.source.folder) == "."


class _Manifest(Struct, frozen=True, rename="kebab"):
    members: tuple[str, ...] = ()
    requirements: tuple[_Edge, ...] = ()
    dependency_groups: dict[str, tuple[_Edge, ...]] = field(default_factory=dict)


class _Lock(Struct, frozen=True, rename="kebab"):
    version: int
    requires_python: str | None = None
    package: tuple[_Package, ...] = ()
    manifest: _Manifest = _Manifest()


def find(project: ProjectFiles) -> Dependencies | None:
    """Read ``uv.lock`` at the top of the context, if it is there.

    Raises:
        DependencyError: it cannot be read, or names what cannot be had in an image.
    """
    if not os.path.lexists(os.path.join(project.context, _FILE)):
        return None
    return read(project, _FILE)


def accepts(name: str) -> bool:
    """Return whether a file that the user named is one of these."""
    return name == _FILE


def read(project: ProjectFiles, path: str) -> Dependencies:
    """Read a lock of a project.

    Raises:
        DependencyError: see `find`.
    """
    lock = _lock(project, path, "uv lock")
    roots = [package for package in lock.package if package.is_root]
    if not roots:  # a workspace whose top is no project: all of its members, as `uv sync` does it
        members = set(lock.manifest.members)
        roots = [package for package in lock.package if package.name in members]
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
    graph = _Graph(lock, path, _activated(roots, extras, groups))
    for root in roots:
        graph.need(root, ALWAYS, extras)
        for group in groups:
            graph.follow(root.dev_dependencies.get(group, ()), ALWAYS)
    for group in groups:
        graph.follow(lock.manifest.dependency_groups.get(group, ()), ALWAYS)
    importable = any(root.is_root and root.source.virtual is None for root in roots)
    return _staged(project, path, lock, graph, source_roots(project, path) if importable else ())


def read_script(project: ProjectFiles, path: str) -> Dependencies:
    """Read the lock of a script.

    Raises:
        DependencyError: see `find`.
    """
    lock = _lock(project, path, "uv lock --script")
    graph = _Graph(lock, path, Wanted())
    graph.follow(lock.manifest.requirements, ALWAYS)
    return _staged(project, path, lock, graph, ())


def _lock(project: ProjectFiles, path: str, tool: str) -> _Lock:
    data = load(project, path)
    if data.get("version") != _VERSION:
        raise DependencyError(
            f"{path} is of version {data.get('version')!r}, and Buildr reads version {_VERSION}",
            hint="run: uv export --format pylock.toml --output-file pylock.toml",
        )
    return typed(data, _Lock, path, tool)


def _activated(roots: Sequence[_Package], extras: Iterable[str], groups: Iterable[str]) -> Wanted:
    """Return what markers may name: where extras or groups conflict, uv writes them with their package's name."""
    names = [*extras]
    for root in roots:
        names.append(f"project-{len(root.name)}-{root.name}")
        names += (f"extra-{len(root.name)}-{root.name}-{extra}" for extra in extras)
        names += (f"group-{len(root.name)}-{root.name}-{group}" for group in groups)
    return Wanted(extras=tuple(map(normalised, names)), groups=tuple(map(normalised, groups)))


_End = tuple[int, Condition, tuple[str, ...]]
"""Where an edge leads: a package's number, when, and with which extras."""


class _Graph:
    """Which packages are needed, and when."""

    def __init__(self, lock: _Lock, path: str, wanted: Wanted) -> None:
        self.path = path
        self.wanted = wanted
        self.needed: dict[tuple[int, str], Condition] = {}
        """By the package's number, and an extra of it (empty: the package)."""
        self.packages = lock.package
        self._named: dict[str, list[int]] = {}
        for number, package in enumerate(lock.package):
            self._named.setdefault(package.name, []).append(number)

    def need(self, package: _Package, condition: Condition, extras: Iterable[str]) -> None:
        """Take note that a package is needed under a condition, and what it needs."""
        self._walk([(self.packages.index(package), condition, tuple(extras))])

    def follow(self, edges: Iterable[_Edge], condition: Condition) -> None:
        """Take note that what some edges lead to is needed under a condition."""
        self._walk(self._ends(edges, condition))

    def _walk(self, ends: list[_End]) -> None:
        while ends:
            number, condition, extras = ends.pop()
            package = self.packages[number]
            for extra in ("", *extras):
                before = self.needed.get((number, extra), NEVER)
                try:
                    after = either(before, condition)
                except OverflowError:
                    raise too_many(f"{self.path}: {package.name}") from None
                if after == before:
                    continue
                self.needed[number, extra] = after
                edges = package.optional_dependencies.get(extra, ())
                ends += self._ends(edges if extra else package.dependencies, after)

    def _ends(self, edges: Iterable[_Edge], condition: Condition) -> list[_End]:
        found = []
        for edge in edges:
            if is_buildr(edge.name):
                numbers = self._named.get(edge.name, [])
                self.needed |= {(number, ""): ALWAYS for number in numbers}
                continue  # nor what it needs
            where = f"{self.path}: {edge.name}"
            try:
                holds = both(condition, marker(edge.marker, self.wanted, where))
                for number, fork in self._targets(edge, where) if holds != NEVER else ():
                    found.append((number, both(holds, fork), (*edge.extra, *edge.extras)))
            except OverflowError:
                raise too_many(where) from None
        return found

    def _targets(self, edge: _Edge, where: str) -> list[tuple[int, Condition]]:
        """Return the packages that an edge leads to: one, or one for each fork where the edge does not say which."""
        found = [
            number
            for number in self._named.get(edge.name, ())
            if edge.version in (None, self.packages[number].version)
            and edge.source in (None, self.packages[number].source)
        ]
        if len(found) == 1:
            return [(found[0], ALWAYS)]
        forks = [self.packages[number].resolution_markers for number in found]
        if not found or not all(forks):
            raise DependencyError(
                f"{where} is needed, and the lock does not say which of {len(found)} packages is meant",
                hint="write the lock again: uv lock",
            )
        conditions = [
            reduce(either, (marker(one, self.wanted, where) for one in fork), NEVER)
            for fork in forks
        ]
        return [
            (number, condition)
            for number, condition in zip(found, conditions, strict=True)
            if condition != NEVER
        ]


def _staged(
    project: ProjectFiles,
    path: str,
    lock: _Lock,
    graph: _Graph,
    roots: Sequence[str],
) -> Dependencies:
    packages = []
    registries = set()
    for (number, extra), condition in graph.needed.items():
        package = lock.package[number]
        if extra or package.is_root or package.source.virtual is not None:
            continue
        packages.append(_locked(project, path, package, condition))
        if package.source.registry is not None:
            registries.add(package.source.registry)
    return stage(
        path,
        packages,
        indexes=indexes.options(project, path, registries),
        requires_python=lock.requires_python,
        roots=roots,
    )


def _locked(project: ProjectFiles, path: str, package: _Package, condition: Condition) -> Locked:
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
