"""``requirements.txt`` and the files that it names.

The files are staged as they are, so pip reads what the user wrote; only lines that require Buildr itself
become empty, and paths become those of the image where pip could not find them otherwise.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from buildr.dependencies.files import decode, inside, read_bytes
from buildr.dependencies.local_paths import in_image, links_in_image, replaced
from buildr.dependencies.model import Dependencies, ProjectFiles, StagedFile
from buildr.dependencies.requirement import (
    is_buildr,
    is_local,
    note_left_out,
    note_password,
    points_into_source,
)
from buildr.dependencies.requirement_lines import logical_lines, options_of
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["accepts", "read", "read_all"]

_DEEPEST = 50


def accepts(name: str) -> bool:
    """Return whether a file that the user named is one of requirements."""
    return name.endswith((".txt", ".in", "requirements.lock", "requirements-dev.lock")) or (
        "." not in name
    )


def read(project: ProjectFiles, path: str) -> Dependencies:
    """Read a file of requirements and those that it names.

    Raises:
        DependencyError: a file cannot be read, is outside the context, or includes itself.
    """
    return read_all(project, [path], source=path)


def read_all(
    project: ProjectFiles, paths: Sequence[str], *, source: str, roots: Sequence[str] = ()
) -> Dependencies:
    """Read several files of requirements, which are installed together.

    Args:
        project: the project.
        paths: of the files, relative to the context.
        source: what to call them all.
        roots: folders of the source that the script imports from.

    Raises:
        DependencyError: see `read`.
    """
    files = _Files(project)
    for path in paths:
        files.add(path, where="", constraint=False, above=())
    notes = tuple(note for note in (files.left_out, files.password) if note)
    if not files.installs:
        return Dependencies(source=source, roots=tuple(roots), notes=notes)
    return Dependencies(
        source=source,
        files=tuple(StagedFile(path=name, data=data) for name, data in files.staged.items()),
        install=tuple(word for path in paths for word in ("-r", path)),
        needs_source=files.needs_source,
        roots=tuple(roots),
        notes=notes,
    )


class _Files:
    """The files read so far, and what was seen in them."""

    def __init__(self, project: ProjectFiles) -> None:
        self.project = project
        self.staged: dict[str, bytes] = {}
        self.done: set[tuple[str, bool]] = set()
        self.installs = False
        self.needs_source = False
        self.left_out: str | None = None
        self.password: str | None = None

    def add(self, path: str, *, where: str, constraint: bool, above: tuple[str, ...]) -> None:
        """Read one file and those that it names.

        Args:
            path: relative to the context.
            where: the file and line that names it.
            constraint: whether it is named by ``-c``.
            above: the files that led here.
        """
        if path in above or len(above) > _DEEPEST:
            raise DependencyError(
                f"{where}: {path!r} includes itself, or is nested too deep", hint="remove the line"
            )
        if (path, constraint) in self.done:
            return
        self.done.add((path, constraint))
        data = read_bytes(inside(self.project, path, where or path), path, where)
        content = decode(data, path)
        lines = content.text.splitlines(keepends=True)
        changed = False
        for first, last, line in logical_lines(lines):
            here = f"{path}:{first + 1}"
            self.password = self.password or note_password(line, here)
            if not self._line(line, path, here, constraint=constraint, above=(*above, path)):
                changed = True
                self.left_out = self.left_out or note_left_out(here)
                for index in range(first, last + 1):
                    lines[index] = lines[index][len(lines[index].splitlines()[0]) :]
            for old, new in self._translated(line, path, here):
                changed = True
                replaced(lines, first, last, old, new, here)
        self.staged[path] = content.encode("".join(lines)) if changed else data

    def _line(
        self, line: str, path: str, here: str, *, constraint: bool, above: tuple[str, ...]
    ) -> bool:
        """Take account of one line; return whether it stays."""
        if not line.startswith("-"):
            return self._requirement(_requirement_of(line), constraint=constraint)
        options = options_of(line, here)
        if "editable" in options:
            return self._requirement(options["editable"], constraint=constraint, path=True)
        for name in ("requirement", "constraint"):
            if name in options:
                nested = name == "constraint"
                self._nested(options[name], path, here, constraint=nested, above=above)
                return True
        self.needs_source |= "find-links" in options and is_local(options["find-links"])
        return True

    def _translated(self, line: str, path: str, here: str) -> Iterator[tuple[str, str]]:
        """Yield the paths of a line that are others in the image, each with what it is there."""
        if not line.startswith("-"):
            requirement = _requirement_of(line)
            if not points_into_source(requirement):
                return
            old = re.sub(r"(?<!\s)\s+;.*$", "", requirement)
            if named := re.match(r"[\w.-]+(?:\s*\[[^\]]*\])?\s*@\s*(.*)", old):
                old = named[1]
            new = in_image(self.project, old, here)
        else:
            options = options_of(line, here)
            if "editable" in options and re.match(r"(?i)file:|(?![\w+.-]+:)", options["editable"]):
                old = options["editable"]
                new = in_image(self.project, old, here)
            elif "find-links" in options and is_local(options["find-links"]):
                old = options["find-links"]
                new = links_in_image(self.project, old, os.path.dirname(path), here)
            else:
                return
        if new != old:
            yield old, new

    def _requirement(self, requirement: str, *, constraint: bool, path: bool = False) -> bool:
        if is_buildr(requirement):
            return False
        self.needs_source |= is_local(requirement) if path else points_into_source(requirement)
        self.installs |= not constraint
        return True

    def _nested(
        self, name: str, path: str, here: str, *, constraint: bool, above: tuple[str, ...]
    ) -> None:
        if re.match(r"(?i)(https?|file):", name):
            self.installs |= not constraint
            self.needs_source |= is_local(name)
            return
        if os.path.isabs(name):
            raise DependencyError(
                f"{here} names {name!r}, which is not there inside the container",
                hint="write a path that is relative to the file",
            )
        nested = os.path.normpath(os.path.join(os.path.dirname(path), name))
        self.add(nested, where=here, constraint=constraint, above=above)


def _requirement_of(line: str) -> str:
    """Return the requirement of a line without the options behind it."""
    return re.split(r" (?=-)", line, maxsplit=1)[0].strip()
