"""``uv.lock`` as records, and the packages that are needed, with their conditions.

A lock holds the packages for every platform as a graph, whose edges have markers; what is needed is found by walking it.
"""

from __future__ import annotations

import os
from functools import reduce
from typing import TYPE_CHECKING

from msgspec import Struct, field

from buildr.dependencies.lockfile import marker, too_many
from buildr.dependencies.markers import ALWAYS, NEVER, Condition, Wanted, both, either
from buildr.dependencies.requirement import is_buildr
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Edge", "File", "Graph", "Lock", "Manifest", "Metadata", "Package", "Source"]


class Source(Struct, frozen=True, forbid_unknown_fields=False):
    """Where a package comes from: one of the fields says it."""

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
        """The folder that it is, if it is one."""
        return self.editable or self.virtual or self.directory


class File(Struct, frozen=True):
    """A file of a package on an index."""

    hash: str | None = None


class Edge(Struct, frozen=True):
    """A dependency of a package or script."""

    name: str
    version: str | None = None
    source: Source | None = None
    marker: str | None = None
    extra: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    """The same, in a script's own requirements."""


class Metadata(Struct, frozen=True, rename="kebab"):
    """The declarations of a project in the lock."""

    provides_extras: tuple[str, ...] = ()
    requires_dev: dict[str, tuple[Edge, ...]] = field(default_factory=dict)


class Package(Struct, frozen=True, rename="kebab"):
    """A package of the lock."""

    name: str
    source: Source
    version: str | None = None
    resolution_markers: tuple[str, ...] = ()
    """Where it is one of several of its name: one of these holds."""
    dependencies: tuple[Edge, ...] = ()
    optional_dependencies: dict[str, tuple[Edge, ...]] = field(default_factory=dict)
    dev_dependencies: dict[str, tuple[Edge, ...]] = field(default_factory=dict)
    sdist: File | None = None
    wheels: tuple[File, ...] = ()
    metadata: Metadata = Metadata()

    @property
    def is_root(self) -> bool:
        """Whether it is the project beside the lock."""
        return self.source.folder is not None and os.path.normpath(self.source.folder) == "."


class Manifest(Struct, frozen=True, rename="kebab"):
    """The scope of the lock."""

    members: tuple[str, ...] = ()
    requirements: tuple[Edge, ...] = ()
    dependency_groups: dict[str, tuple[Edge, ...]] = field(default_factory=dict)


class Lock(Struct, frozen=True, rename="kebab"):
    """The whole file."""

    version: int
    requires_python: str | None = None
    package: tuple[Package, ...] = ()
    manifest: Manifest = Manifest()


_End = tuple[int, Condition, tuple[str, ...]]
"""Where an edge leads: a package's number, when, and with which extras."""


class Graph:
    """Which packages are needed, and when.

    Args:
        lock: the lock.
        path: of it, for errors.
        wanted: which extras and groups are wanted.

    Attributes:
        packages: those of the lock, by their numbers.
        needed: when each is needed, by the package's number, and an extra of it (empty: the package).
    """

    def __init__(self, lock: Lock, path: str, wanted: Wanted) -> None:
        self.path = path
        self.wanted = wanted
        self.needed: dict[tuple[int, str], Condition] = {}
        self.packages = lock.package
        self._named: dict[str, list[int]] = {}
        for number, package in enumerate(lock.package):
            self._named.setdefault(package.name, []).append(number)

    def need(self, package: Package, condition: Condition, extras: Iterable[str]) -> None:
        """Record that a package is needed under a condition, and its dependencies."""
        self._walk([(self.packages.index(package), condition, tuple(extras))])

    def follow(self, edges: Iterable[Edge], condition: Condition) -> None:
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

    def _ends(self, edges: Iterable[Edge], condition: Condition) -> list[_End]:
        found = []
        for edge in edges:
            if is_buildr(edge.name):
                numbers = self._named.get(edge.name, [])
                self.needed |= {(number, ""): ALWAYS for number in numbers}
                continue  # nor its dependencies
            where = f"{self.path}: {edge.name}"
            try:
                holds = both(condition, marker(edge.marker, self.wanted, where))
                for number, fork in self._targets(edge, where) if holds != NEVER else ():
                    found.append((number, both(holds, fork), (*edge.extra, *edge.extras)))
            except OverflowError:
                raise too_many(where) from None
        return found

    def _targets(self, edge: Edge, where: str) -> list[tuple[int, Condition]]:
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
