"""``requirements.txt`` and the files that it names.

The files are staged as they are, so pip reads what the user wrote; only lines that require Buildr itself
become empty. Lines are told apart as pip does it: https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from buildr.dependencies.files import decode, inside, read_bytes
from buildr.dependencies.model import Dependencies, ProjectFiles, StagedFile
from buildr.dependencies.requirement import (
    is_buildr,
    is_local,
    note_left_out,
    note_password,
    points_into_source,
)
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["accepts", "find", "read", "read_all"]

_FILE = "requirements.txt"
_DEEPEST = 50
_COMMENT = r"(^|\s+)#.*$"

_SHORT = {
    "r": "requirement",
    "c": "constraint",
    "e": "editable",
    "f": "find-links",
    "i": "index-url",
}
_LONG = (
    "requirement",
    "constraint",
    "editable",
    "find-links",
    "index-url",
    "pypi-url",
    "extra-index-url",
    "no-index",
    "no-binary",
    "only-binary",
    "prefer-binary",
    "require-hashes",
    "no-require-hashes",
    "pre",
    "all-releases",
    "only-final",
    "trusted-host",
    "use-feature",
    "hash",
    "config-settings",
)
_FLAGS = ("no-index", "prefer-binary", "require-hashes", "no-require-hashes", "pre")


def find(project: ProjectFiles) -> Dependencies | None:
    """Read ``requirements.txt`` at the top of the context, if it is there.

    Raises:
        DependencyError: a file cannot be read, lies outside the context, or includes itself.
    """
    if not os.path.lexists(os.path.join(project.context, _FILE)):
        return None
    return read(project, _FILE)


def accepts(name: str) -> bool:
    """Return whether a file that the user named is one of requirements."""
    return name.endswith((".txt", ".in", "requirements.lock", "requirements-dev.lock")) or (
        "." not in name
    )


def read(project: ProjectFiles, path: str) -> Dependencies:
    """Read a file of requirements and those that it names.

    Raises:
        DependencyError: a file cannot be read, lies outside the context, or includes itself.
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
        dropped = False
        for first, last, line in _logical_lines(lines):
            here = f"{path}:{first + 1}"
            self.password = self.password or note_password(line, here)
            if self._line(line, path, here, constraint=constraint, above=(*above, path)):
                continue
            dropped = True
            self.left_out = self.left_out or note_left_out(here)
            for index in range(first, last + 1):
                lines[index] = lines[index][len(lines[index].splitlines()[0]) :]
        self.staged[path] = content.encode("".join(lines)) if dropped else data

    def _line(
        self, line: str, path: str, here: str, *, constraint: bool, above: tuple[str, ...]
    ) -> bool:
        """Take account of one line; return whether it stays."""
        if not line.startswith("-"):
            requirement = re.split(r" (?=-)", line, maxsplit=1)[0].strip()
            return self._requirement(requirement, constraint=constraint)
        options = _options(line, here)
        if "editable" in options:
            return self._requirement(options["editable"], constraint=constraint, path=True)
        for name in ("requirement", "constraint"):
            if name in options:
                nested = name == "constraint"
                self._nested(options[name], path, here, constraint=nested, above=above)
                return True
        self.needs_source |= "find-links" in options and is_local(options["find-links"])
        return True

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


def _logical_lines(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """Join continued lines and cut comments off, as pip does.

    Yields:
        The first and the last line's index, and the text; lines without text are left out.
    """
    parts: list[str] = []
    start = 0
    for index, raw in enumerate(lines):
        line = raw.splitlines()[0]
        comment = "#" in line and re.match(_COMMENT, line) is not None
        if not parts:
            start = index
        if line.endswith("\\") and not comment:
            parts.append(line.strip("\\"))
            if index + 1 < len(lines):
                continue
        else:
            parts.append(f" {line}" if comment else line)
        text = "".join(parts)
        if "#" in text:
            text = re.sub(_COMMENT, "", text)
        text = text.strip()
        if text:
            yield start, index, text
        parts = []


def _options(line: str, here: str) -> dict[str, str]:
    """Read a line of options as ``optparse`` does, short names, joined values and abbreviations included.

    Returns:
        The first value of each option that takes one, up to an option that pip does not know.
    """
    words = _words(line, here)
    found: dict[str, str] = {}
    while words:
        word = words.pop(0)
        value: str | None
        if word.startswith("--"):
            long, equals, rest = word[2:].partition("=")
            name = _unabbreviated(long)
            value = rest if equals else None
        elif word.startswith("-") and len(word) > 1:
            name = _SHORT.get(word[1], "")
            value = word[2:] or None
        else:
            continue
        if not name:
            break
        if name in _FLAGS:
            continue
        if value is None:
            if not words:
                raise DependencyError(f"{here}: --{name} has no value", hint="correct the line")
            value = words.pop(0)
        found.setdefault(name, value)
    return found


def _words(line: str, here: str) -> list[str]:
    if not re.search(r"[\"'\\]", line):
        return re.split(r"[ \t\r\n]+", line.strip(" \t\r\n"))
    from shlex import split

    try:
        return split(line)
    except ValueError:
        raise DependencyError(
            f"{here}: a quotation mark is not closed", hint="correct the line"
        ) from None


def _unabbreviated(name: str) -> str:
    if name in _LONG:
        return name
    candidates = [option for option in _LONG if name and option.startswith(name)]
    return candidates[0] if len(candidates) == 1 else ""
