"""The lines of a file of requirements, split as pip splits them.

https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["logical_lines", "options_of"]

_COMMENT = r"(^|(?<!\s)\s+)#.*$"

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


def logical_lines(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """Join continued lines and strip comments, as pip does.

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


def options_of(line: str, here: str) -> dict[str, str]:
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
