"""Staging locked packages for pip.

pip installs exactly what is locked: it looks for no further dependencies, and checks the hashes. What has no hash (a
repository, a folder) needs a call of its own, since pip checks all or nothing:
https://pip.pypa.io/en/stable/topics/secure-installs/
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from buildr.dependencies.indexes import plain
from buildr.dependencies.markers import NEVER, normalised, text
from buildr.dependencies.model import Dependencies, StagedFile
from buildr.dependencies.requirement import is_buildr, note_left_out, note_password
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from buildr.dependencies.locked import Locked

__all__ = ["stage"]

_HASHED = "locked.txt"
_UNHASHED = "unhashed.txt"
_LOCAL = "local.txt"


def stage(
    source: str,
    packages: Iterable[Locked],
    *,
    indexes: Sequence[str] = (),
    requires_python: str | None = None,
    roots: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Dependencies:
    """Return what pip needs to install locked packages.

    Args:
        source: the lock, for people.
        packages: all of them, those for other conditions included.
        indexes: lines with options for pip: where packages come from, other than its own configuration.
        requires_python: the Python that the lock is made for.
        roots: folders of the source that the script imports from.
        notes: what a user should know.

    Raises:
        DependencyError: a package has no hash, and pip could take it from another index than the locked one.
    """
    every = [package for package in packages if package.condition != NEVER]
    in_place = [package for package in every if package.project is not None]
    kept = [package for package in every if package.project is None]
    needed = [package for package in kept if not is_buildr(package.name)]
    said = list(notes)
    if len(needed) < len(kept):
        said.append(note_left_out(source))
    said += _notes(source, needed, indexes)
    hashed = [package for package in needed if package.hashes and not package.local]
    local = [package for package in needed if package.local]
    unhashed = [package for package in needed if not package.hashes and not package.local]
    _refuse_ambiguous(source, unhashed, indexes)
    files = [
        StagedFile(path=name, data=_lines(found, indexes))
        for name, found in ((_HASHED, hashed), (_UNHASHED, unhashed), (_LOCAL, local))
        if found
    ]
    return Dependencies(
        source=source,
        files=tuple(files),
        install=("--no-deps", "--require-hashes", "-r", _HASHED) if hashed else (),
        unhashed=("--no-deps", "-r", _UNHASHED) if unhashed else (),
        local=("--no-deps", "-r", _LOCAL) if local else (),
        requires_python=requires_python,
        python_source=f"requires-python in {source}",
        roots=tuple(dict.fromkeys((*roots, *(root for found in in_place for root in found.roots)))),
        projects=tuple(
            dict.fromkeys(
                (
                    *([os.path.dirname(source)] if roots else []),
                    *(found.project for found in in_place if found.project is not None),
                )
            )
        ),
        notes=tuple(said),
    )


def _lines(packages: Iterable[Locked], indexes: Sequence[str]) -> bytes:
    lines = list(indexes)
    for package in sorted(
        packages, key=lambda package: (normalised(package.name), package.requirement)
    ):
        condition = text(package.condition)
        line = f"{package.requirement} ; {condition}" if condition else package.requirement
        lines.append(" \\\n    ".join((line, *(f"--hash={found}" for found in package.hashes))))
    return "".join(f"{line}\n" for line in lines).encode()


def _refuse_ambiguous(source: str, unhashed: Iterable[Locked], indexes: Sequence[str]) -> None:
    """Refuse a package without a hash that pip could take from another index than the locked one.

    Raises:
        DependencyError: there is one.
    """
    asked = {plain(line.rpartition(" ")[2]) for line in indexes}
    if not any(line.startswith("--index-url") for line in indexes):
        asked.add("")  # what pip is configured for
    for package in unhashed:
        index = package.index and plain(package.index)
        if index is None or asked == {index}:
            continue
        meant = f"the index {index}" if index else "the usual index"
        raise DependencyError(
            f"{source}: {package.name} has no hash, and is meant to come from {meant}; pip could take another"
            " package of the same name from elsewhere",
            hint="lock it with its hashes, or let the project name that index alone",
        )


def _notes(source: str, packages: Iterable[Locked], indexes: Sequence[str]) -> list[str]:
    notes = []
    texts = [*(package.requirement for package in packages), *indexes]
    if password := next(filter(None, (note_password(line, source) for line in texts)), None):
        notes.append(password)
    return notes
