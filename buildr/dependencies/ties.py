"""Packages that a project ties to a source: an index, a repository, a path.

pip asks all of its indexes for every name and takes the newest version, so a package of the same name on the public
index would be installed in place of the private one (dependency confusion). Without a lock such a name is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from buildr.dependencies.indexes import declared
from buildr.dependencies.markers import normalised
from buildr.errors import DependencyError
from buildr.host.documents import table_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["refuse_ties", "unlocked"]

_PLACES = {
    "index": "the index {!r}",
    "source": "the index {!r}",
    "git": "a repository",
    "hg": "a repository",
    "svn": "a repository",
    "path": "a path",
    "file": "a path",
    "url": "a URL",
    "workspace": "the workspace",
}
"""By the key that ties a name to a place in the tools' tables: that place, for people."""


_OF_UV = (
    *("constraint-dependencies", "override-dependencies", "exclude-dependencies"),
    *("dependency-metadata", "prerelease", "resolution", "exclude-newer"),
    *("exclude-newer-package", "no-binary", "no-binary-package", "no-build", "no-build-package"),
)
_OF_PDM = ("overrides", "excludes", "allow-prereleases", "strategy")


class _Tie(Struct, frozen=True):
    """A name that is tied."""

    name: str
    where: str
    """Where that is written: ``tool.uv.sources.demo``."""
    place: str
    """What it is tied to, for people; without credentials."""
    command: str
    """What makes the lock that Buildr reads instead."""


def refuse_ties(
    data: dict[str, Any], wanted: Sequence[str], path: str, *, uv_lock: str = "uv lock"
) -> None:
    """Refuse requirements that their own tool would install from one source only.

    Args:
        data: the content of ``pyproject.toml``, or of inline metadata.
        wanted: the requirements.
        path: of the file.
        uv_lock: the command by which uv locks them.

    Raises:
        DependencyError: there is one.
    """
    tool = data.get("tool")
    if not isinstance(tool, dict) or not wanted:
        return
    names = {
        normalised(match[0]) for item in wanted if (match := re.match(r"[\w.-]+", item.strip()))
    }
    for tie in _ties(tool, uv_lock):
        if tie.name == "*" or normalised(tie.name) in names:
            raise DependencyError(
                f"{path}: {tie.where} ties the package to {tie.place}, there is no lock, and without one pip"
                " could take another package of the same name from the public index",
                hint=f"run: {tie.command}",
            )


def unlocked(tool: dict[str, Any], path: str, *, uv_lock: str = "uv lock") -> str | None:
    """Say which of the tools' settings decide what is locked, and mean nothing to pip; ``None`` where there is none.

    Args:
        tool: the table ``[tool]``.
        path: of the file, for people.
        uv_lock: the command by which uv locks what it names.
    """
    of_uv, of_pdm = table_at(tool, "uv"), table_at(table_at(tool, "pdm"), "resolution")
    found = [f"tool.uv.{name}" for name in _OF_UV if of_uv.get(name)]
    found += [f"tool.pdm.resolution.{name}" for name in _OF_PDM if of_pdm.get(name)]
    if not found:
        return None
    command = uv_lock if found[0].startswith("tool.uv") else "pdm lock"
    return f"{path}: {', '.join(found)}: not applied without a lock; run: {command}"


def _ties(tool: dict[str, Any], uv_lock: str) -> Iterator[_Tie]:
    yield from _of_uv(tool, uv_lock)
    yield from _of_poetry(table_at(tool, "poetry"))
    for source in _list(table_at(tool, "pdm").get("source")):
        if source.get("include_packages"):
            place = f"the index {source.get('name', '')!r}"
            yield _Tie("*", "include_packages in tool.pdm.source", place, "pdm lock")
    yield from _of_pixi(table_at(tool, "pixi"))


def _of_uv(tool: dict[str, Any], uv_lock: str) -> Iterator[_Tie]:
    sole = _sole_index(tool)
    for name, source in _items(table_at(tool, "uv").get("sources")):
        for place in _places(source):
            if place != sole:
                yield _Tie(name, f"tool.uv.sources.{name}", place, uv_lock)


def _of_poetry(poetry: dict[str, Any]) -> Iterator[_Tie]:
    tables = [("dependencies", poetry)]
    for group, content in _items(poetry.get("group")):
        tables.append((f"group.{group}.dependencies", content))
    for where, content in tables:
        for name, source in _items(table_at(content, "dependencies")):
            for place in _places(source):
                yield _Tie(name, f"tool.poetry.{where}.{name}", place, "poetry lock")


def _of_pixi(pixi: dict[str, Any]) -> Iterator[_Tie]:
    tables = [("", pixi)]
    for feature, content in _items(pixi.get("feature")):
        tables.append((f"feature.{feature}.", content))
    for prefix, content in tables:
        for name, source in _items(table_at(content, "pypi-dependencies")):
            where = f"tool.pixi.{prefix}pypi-dependencies.{name}"
            for place in _places(source):
                yield _Tie(name, where, place, f"uv lock, with the same in tool.uv.sources.{name}")


def _sole_index(tool: dict[str, Any]) -> str | None:
    """Return the place of the one index that pip would ask, if it is the only one."""
    found = [index for index in declared(tool) if index.kind != "find-links"]
    if len(found) == 1 and found[0].kind == "only" and found[0].name:
        return f"the index {found[0].name!r}"
    return None


def _places(source: object) -> Iterator[str]:
    """Yield what a table, or a list of tables for several conditions, ties a name to."""
    for table in source if isinstance(source, list) else [source]:
        if not isinstance(table, dict):
            continue
        found = (words.format(table[key]) for key, words in _PLACES.items() if table.get(key))
        if place := next(found, None):
            yield place


def _items(table: object) -> Iterable[tuple[str, Any]]:
    return table.items() if isinstance(table, dict) else ()


def _list(found: object) -> list[dict[str, Any]]:
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
