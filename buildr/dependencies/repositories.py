"""Packages of a lock that are a revision of a repository, such as Git's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct

from buildr.dependencies.locked import URL, Locked, checked_name
from buildr.dependencies.requirement import without_password
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from buildr.dependencies.markers import Condition

__all__ = ["REPOSITORIES", "Revision", "repository"]

REPOSITORIES = ("git", "hg", "svn", "bzr")
"""The kinds that pip knows, each by the name of its program."""
_REVISION = r"[A-Za-z0-9][A-Za-z0-9._/+-]*"


class Revision(Struct, frozen=True, kw_only=True):
    """A revision of a repository.

    Attributes:
        kind: ``git``, ``hg``, ``svn`` or ``bzr``.
        url: of the repository, without ``git+``.
        commit: its id.
        subdirectory: of the package in the repository.
    """

    kind: str
    url: str
    commit: str
    subdirectory: str | None = None


def repository(name: str, revision: Revision, condition: Condition, where: str) -> Locked:
    """Return a package that is a revision of a repository.

    Args:
        name: its name.
        revision: where it comes from.
        condition: the condition for its installation.
        where: the lock, for errors.

    Raises:
        DependencyError: the image cannot fetch that.
    """
    kind, url, commit = revision.kind, revision.url, revision.commit
    scp = re.fullmatch(r"([\w.-]+@[\w.-]+):(?!/)([^\s\\#]+)", url, re.ASCII)
    place = f"ssh://{scp[1]}/{scp[2]}" if scp else url
    if (
        not re.fullmatch(URL, place)
        or place.lower().startswith("file:")
        or not re.fullmatch(_REVISION, commit)
        or kind not in REPOSITORIES
    ):
        raise DependencyError(
            f"{where}: {name} comes from the repository {without_password(url)!r}"
            f" at {commit!r}, which the image cannot fetch",
            hint="accepted: a repository with a URL such as https://, and a commit",
        )
    tail = f"#subdirectory={quote(revision.subdirectory)}" if revision.subdirectory else ""
    return Locked(
        name=name,
        requirement=f"{checked_name(name, where)} @ {kind}+{place}@{commit}{tail}",
        condition=condition,
    )
