"""Indexes of a project, in addition to those of pip's configuration.

Each tool has its own way to name them. With a lock only those are passed to pip that a locked package comes from: the usual
index, or a mirror of it, is what pip in the image is configured for, and hashes decide what is installed, whichever index
has it. Without a lock pip asks all that are not kept for certain names; see `buildr.dependencies.ties` for those.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from buildr.dependencies.lockfile import load
from buildr.dependencies.requirement import without_password
from buildr.errors import DependencyError
from buildr.host.documents import table_at

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from buildr.dependencies.model import ProjectFiles

__all__ = [
    "Index",
    "declared",
    "line",
    "lines",
    "note",
    "options",
    "plain",
    "with_uv_file",
]

_OPTIONS = {"only": "--index-url", "extra": "--extra-index-url", "find-links": "--find-links"}


class Index(Struct, frozen=True, kw_only=True):
    """An index that a project names."""

    url: str
    name: str = ""
    kind: Literal["only", "extra", "find-links"] = "extra"
    """``only``: it replaces the usual one; ``find-links``: a page with links to files."""
    explicit: bool = False
    """Whether it is asked for those names alone that are tied to it."""


def declared(tool: dict[str, Any], *, explicit: bool = False) -> list[Index]:
    """Return the indexes of the table ``[tool]``: uv's, PDM's, Poetry's, Rye's.

    Args:
        tool: the table.
        explicit: whether those are among them that are only for names which are tied to them.
    """
    found = [*_of_uv(table_at(tool, "uv")), *_of_pdm(tool), *_of_poetry(tool), *_of_rye(tool)]
    return [index for index in found if explicit or not index.explicit]


def _of_uv(uv: dict[str, Any]) -> Iterator[Index]:
    for item in _list(uv.get("index")):
        kind: Literal["only", "extra", "find-links"] = "extra"
        if item.get("format") == "flat":
            kind = "find-links"
        elif item.get("default") is True:
            kind = "only"
        yield Index(
            url=str(item.get("url")),
            name=str(item.get("name", "")),
            kind=kind,
            explicit=item.get("explicit") is True,
        )
    if isinstance(url := uv.get("index-url"), str):
        yield Index(url=url, kind="only")
    for url in _texts(uv.get("extra-index-url")):
        yield Index(url=url)
    for url in _texts(uv.get("find-links")):
        yield Index(url=url, kind="find-links")


def _of_pdm(tool: dict[str, Any]) -> Iterator[Index]:
    for item in _list(table_at(tool, "pdm").get("source")):
        name = str(item.get("name", ""))
        kind: Literal["only", "extra", "find-links"] = "only" if name == "pypi" else "extra"
        if item.get("type") == "find_links":
            kind = "find-links"
        yield Index(url=str(item.get("url")), name=name, kind=kind)


def _of_poetry(tool: dict[str, Any]) -> Iterator[Index]:
    """Poetry's sources replace the public index unless they are supplemental, or that is among them."""
    sources = _list(table_at(tool, "poetry").get("source"))
    public = any(str(item.get("name", "")).lower() == "pypi" for item in sources)
    for item in sources:
        if not item.get("url"):  # the public index
            continue
        priority = str(item.get("priority", "primary")).lower()
        primary = priority in ("primary", "default") and not public
        public = public or primary  # the first one replaces the default index
        yield Index(
            url=str(item["url"]),
            name=str(item.get("name", "")),
            kind="only" if primary else "extra",
            explicit=priority == "explicit",
        )


def _of_rye(tool: dict[str, Any]) -> Iterator[Index]:
    for item in _list(table_at(tool, "rye").get("sources")):
        name = str(item.get("name", ""))
        yield Index(
            url=str(item.get("url")), name=name, kind="only" if name == "default" else "extra"
        )


def lines(found: Iterable[Index], path: str) -> tuple[str, ...]:
    """Return the lines that configure indexes for pip.

    Raises:
        DependencyError: one is not a URL.
    """
    made = {line(index.url, path, kind=index.kind): None for index in found}
    return tuple(sorted(made, key=lambda text: not text.startswith("--index-url")))


def note(found: Iterable[str], path: str) -> str | None:
    """Note that pip does not prefer any of several indexes.

    Args:
        found: the lines for pip.
        path: of the file that names the indexes.
    """
    if not any(text.startswith("--extra-index-url") for text in found):
        return None
    return f"{path}: pip takes each package from whichever index has its newest version; a lock says which index is meant"


def options(project: ProjectFiles, lock: str, used: Collection[str]) -> tuple[str, ...]:
    """Return lines with options for pip.

    Args:
        project: the project.
        lock: the path of the lock; ``pyproject.toml`` is beside it.
        used: the URLs that packages of the lock come from.

    Raises:
        DependencyError: ``pyproject.toml`` cannot be read, or names an index that is not a URL.
    """
    path = os.path.join(os.path.dirname(lock), "pyproject.toml")
    if not used or not os.path.lexists(os.path.join(project.context, path)):
        return ()
    tool = with_uv_file(project, path, load(project, path)).get("tool", {})
    wanted = {plain(url) for url in used}
    found = declared(tool, explicit=True) if isinstance(tool, dict) else []
    return lines([index for index in found if plain(index.url) in wanted], path)


def with_uv_file(project: ProjectFiles, path: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return the content of ``pyproject.toml`` with the settings of a ``uv.toml`` beside it, which go before its own.

    Raises:
        DependencyError: ``uv.toml`` cannot be read.
    """
    beside = os.path.join(os.path.dirname(path), "uv.toml")
    if not os.path.lexists(os.path.join(project.context, beside)):
        return data
    tool = table_at(data, "tool")
    sources = {
        "sources": table_at(tool, "uv").get("sources", {})
    }  # these are only valid in pyproject.toml
    return {**data, "tool": {**tool, "uv": {**load(project, beside), **sources}}}


def line(url: str, where: str, *, kind: str = "extra") -> str:
    """Return the line that configures an index for pip.

    Args:
        url: its URL.
        where: the file that names it, for errors.
        kind: that of an `Index`.

    Raises:
        DependencyError: it is not a URL that can be part of such a line.
    """
    if (
        not url.startswith(("https://", "http://"))
        or not url.isprintable()
        or set(url) & set(" \\#'\"")
    ):
        raise DependencyError(
            f"{where} names the index {without_password(url)!r}, which is not a URL that pip can ask",
            hint="accepted: an index with https://",
        )
    return f"{_OPTIONS[kind]} {url}"


def plain(url: str) -> str:
    """Return a URL without credentials, which locks leave out, and without a slash at its end."""
    scheme, separator, rest = url.rstrip("/").partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def _list(found: object) -> list[dict[str, Any]]:
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _texts(found: object) -> list[str]:
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []
