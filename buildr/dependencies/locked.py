"""The kinds of locked packages that pip can install in an image.

Packages of an index are passed to pip as name, version and hashes, not as the URLs that some locks hold: where they
come from is the business of pip's configuration.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct

from buildr.dependencies.files import inside
from buildr.dependencies.markers import ALWAYS, Condition
from buildr.dependencies.requirement import is_requirement, without_password
from buildr.dependencies.workspace import roots_in_place
from buildr.errors import DependencyError
from buildr.layout import APP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from buildr.dependencies.model import ProjectFiles

__all__ = [
    "Locked",
    "archive",
    "at_url",
    "folder",
    "from_index",
]

_STRONG = r"sha(256|384|512):[0-9a-f]+"
"""The only ones that pip takes."""
URL = r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\\#]+"
"""A URL that can be part of a line for pip."""


class Locked(Struct, frozen=True, kw_only=True):
    """One locked package.

    Attributes:
        name: its name.
        requirement: how pip gets it, without marker and hashes.
        hashes: of all its files, ``sha256:…``; empty where there are none.
        condition: the condition for its installation.
        local: whether it is in the source.
        index: the URL of the index that it comes from; empty: the usual one; ``None``: it comes from elsewhere.
        project: the folder of a project that is not installed, but imported from where it is, relative to the context.
        roots: the folders that such a project is imported from.
    """

    name: str
    requirement: str
    hashes: tuple[str, ...] = ()
    condition: Condition = ALWAYS
    local: bool = False
    index: str | None = None
    project: str | None = None
    roots: tuple[str, ...] = ()


def from_index(
    name: str,
    version: str | None,
    hashes: Iterable[str],
    condition: Condition,
    where: str,
    *,
    index: str = "",
) -> Locked:
    """Return a package from an index.

    Args:
        name: its name.
        version: the locked one.
        hashes: of all its files.
        condition: the condition for its installation.
        where: the lock, for errors.
        index: the index's URL; empty: the usual one.

    Raises:
        DependencyError: its name or version is not valid.
    """
    requirement = name if version is None else f"{name}=={version}"
    if not is_requirement(requirement) or re.search(r"[;@\s]", requirement):
        raise DependencyError(
            f"{where}: {requirement!r} is not a package", hint="write the lock again"
        )
    return Locked(
        name=name,
        requirement=requirement,
        hashes=_strong(hashes),
        condition=condition,
        index=index,
    )


def at_url(name: str, url: str, hashes: Iterable[str], condition: Condition, where: str) -> Locked:
    """Return a package that is an archive at a URL.

    Raises:
        DependencyError: that is not a URL that can be part of a line for pip.
    """
    place, _, fragment = url.partition("#")
    if not re.fullmatch(URL, place) or place.lower().startswith("file:"):
        raise DependencyError(
            f"{where}: {name} comes from {without_password(url)!r}, which is not a URL to fetch it from",
            hint="let it come from an index, a URL with https://, or a path in the project",
        )
    tail = f"#{fragment}" if re.fullmatch(r"subdirectory=[^\s\\#&]+", fragment) else ""
    return Locked(
        name=name,
        requirement=f"{checked_name(name, where)} @ {place}{tail}",
        hashes=_strong(hashes),
        condition=condition,
    )


def folder(
    project: ProjectFiles,
    lock: str,
    name: str,
    path: str,
    condition: Condition,
    *,
    editable: bool = False,
) -> Locked:
    """Return a package that is a folder of the source.

    Args:
        project: the project.
        lock: the path of the lock, to which `path` is relative.
        name: of the package.
        path: of the folder.
        condition: the condition for its installation.
        editable: whether its source is used in place.

    Raises:
        DependencyError: it is outside the context, or is not there.
    """
    url = _in_source(project, lock, name, path, os.path.isdir, "folder")
    if editable and condition == ALWAYS:  # pip does not support markers after -e
        place = _joined(project, lock, path)
        roots = roots_in_place(project, place)
        return Locked(
            name=name,
            requirement=f"-e {url}",
            local=True,
            project=place if roots else None,
            roots=roots,
        )
    return Locked(
        name=name,
        requirement=f"{checked_name(name, lock)} @ {url}",
        condition=condition,
        local=True,
    )


def archive(project: ProjectFiles, lock: str, name: str, path: str, condition: Condition) -> Locked:
    """Return a package that is an archive in the source; see `folder`."""
    url = _in_source(project, lock, name, path, os.path.isfile, "file")
    return Locked(
        name=name,
        requirement=f"{checked_name(name, lock)} @ {url}",
        condition=condition,
        local=True,
    )


def _in_source(
    project: ProjectFiles, lock: str, name: str, path: str, there: Callable[[str], bool], kind: str
) -> str:
    """Return the URL that a path of the source has in the image."""
    joined = _joined(project, lock, path)
    where = f"{lock}: {name}"
    real = inside(project, joined, where)
    if not there(real):
        raise DependencyError(
            f"{where}: there is no {kind} {joined!r}", hint="write the lock again"
        )
    return f"file://{quote(os.path.normpath(f'{APP}/{joined}'))}"


def _joined(project: ProjectFiles, lock: str, path: str) -> str:
    """Return a path of a lock, relative to the context."""
    if os.path.isabs(path):
        return os.path.relpath(path, project.context)
    return os.path.normpath(os.path.join(os.path.dirname(lock), path))


def checked_name(name: str, where: str) -> str:
    """Return a package's name.

    Args:
        name: as the lock has it.
        where: the lock, for errors.

    Raises:
        DependencyError: it is not a name.
    """
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        raise DependencyError(f"{where}: {name!r} is not a package", hint="write the lock again")
    return name


def _strong(hashes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for item in hashes if re.fullmatch(_STRONG, item, re.ASCII)))
