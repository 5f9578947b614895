"""A list of requirements by PEP 508: in the decorator, in inline metadata, in ``pyproject.toml``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildr.dependencies.model import Dependencies, StagedFile
from buildr.dependencies.requirement import (
    is_buildr,
    is_requirement,
    note_left_out,
    note_password,
    points_into_source,
    without_password,
)
from buildr.errors import DependencyError, Message, OptionName

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["check", "requirements"]

_FILE = r"(?:(?:-r|-c|--requirement|--constraint)[ =]*)?[\w./-]+\.(?:txt|in|toml|lock|cfg|ya?ml)"
"""A file's name, which may well be a package's on an index."""
_STAGED = "requirements.txt"


def check(wanted: Iterable[str], where: str, after: str = "") -> None:
    """Check that each is a requirement with the same meaning as a line of a requirements file.

    Args:
        wanted: the requirements.
        where: the beginning of the error: ``app.py``.
        after: what stands after it: `` in the inline metadata``.

    Raises:
        DependencyError: one is not.
    """
    for item in wanted:
        if re.fullmatch(_FILE, item):
            raise DependencyError(
                Message(where, f": {item!r}{after} is a file, and not a package"),
                hint=Message("name it as ", OptionName("package.dependencies_file")),
            )
        changed = not item.isprintable() or re.search(r"\s#", item) or item.endswith("\\")
        if changed or not is_requirement(item):
            raise DependencyError(
                Message(where, f": {without_password(item)!r}{after} is not a requirement"),
                hint='accepted: requirements by PEP 508 such as "requests>=2.31"',
            )


def requirements(
    wanted: Sequence[str],
    source: str,
    *,
    where: str,
    indexes: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Dependencies:
    """Return what pip needs to install a list of requirements, without Buildr itself.

    Args:
        wanted: the requirements, checked.
        source: where they are written, for people.
        where: the same, at the beginning of a note.
        indexes: lines with options for pip.
        notes: what a user should know.
    """
    kept = [item for item in wanted if not is_buildr(item)]
    password = next(filter(None, (note_password(item, where) for item in (*kept, *indexes))), None)
    left_out = note_left_out(where) if len(kept) < len(wanted) else None
    said = (*notes, *(note for note in (left_out, password) if note))
    data = "".join(f"{item}\n" for item in (*indexes, *kept)).encode()
    return Dependencies(
        source=source,
        files=(StagedFile(path=_STAGED, data=data),) if kept else (),
        install=("-r", _STAGED) if kept else (),
        needs_source=any(points_into_source(item) for item in kept),
        notes=said,
    )
