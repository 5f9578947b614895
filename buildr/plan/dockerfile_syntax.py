"""Parses a Containerfile into instructions like BuildKit: lines, flags, words, here-documents.

The meaning of instructions is left to the engine, but their boundaries matter: a line inside a here-document is not an
instruction, and a shift in a RUN does not begin a here-document. https://docs.docker.com/reference/dockerfile/, and
frontend/dockerfile/parser in https://github.com/moby/buildkit
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTIVE = re.compile(r"#\s*(syntax|escape|check)\s*=\s*(\S|\S.*\S)\s*", re.IGNORECASE)
_HEREDOC = re.compile(r"\d*<<(-?)\s*([^<]+)")
_TAKE_HEREDOCS = ("RUN", "COPY", "ADD")


class Instruction(Struct, frozen=True, kw_only=True):
    """One instruction."""

    name: str
    """In upper case."""
    line: int
    """The number of its first line, from 1."""
    flags: tuple[tuple[str, str], ...]
    """Names without dashes, and values."""
    words: tuple[str, ...]
    """The rest after the flags, with quotes and escapes."""
    heredocs: bool = False
    """Whether it has here-documents."""
    escape: str = "\\"
    """The escape character."""

    def flag(self, name: str) -> str:
        """Return the value of a flag; empty if it is not given."""
        return dict(self.flags).get(name, "")


def instructions(text: str) -> Iterator[Instruction]:
    """Yield the instructions of a Containerfile."""
    lines = _Lines(text)
    while (found := lines.next()) is not None:
        number, line = found
        name, flags, rest = _split(line, lines.escape)
        heredocs = _heredocs(name, rest, line, lines.escape)
        for end, chomp in heredocs:
            lines.skip(end, chomp=chomp)
        yield Instruction(
            name=name,
            line=number,
            flags=tuple(flags),
            words=tuple(words(rest, lines.escape) or rest.split()),
            heredocs=bool(heredocs),
            escape=lines.escape,
        )


def directives(text: str) -> dict[str, tuple[int, str]]:
    """Return the parser directives of a Containerfile by name: the line, from 1, and the value."""
    found: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        match = _DIRECTIVE.fullmatch(line.strip())
        if match is None or match[1].lower() in found:
            break
        found[match[1].lower()] = (number, match[2])
    return found


class _Lines:
    """The lines of a Containerfile, with continued lines joined.

    Attributes:
        escape: the character that continues a line.
    """

    def __init__(self, text: str) -> None:
        escape = directives(text).get("escape", (0, ""))[1]
        self.escape = escape if escape == "`" else "\\"
        self._lines = text.removeprefix("\ufeff").split("\n")
        self._at = 0

    def next(self) -> tuple[int, str] | None:
        """Return the next instruction's number and text; ``None`` at the end."""
        held: list[str] = []
        begun = 0
        while self._at < len(self._lines):
            line = self._lines[self._at].rstrip("\r")
            self._at += 1
            stripped = line.strip()
            if not stripped or stripped.startswith("#"):
                continue  # inside an instruction, too
            begun = begun or self._at
            line, is_continued = self._cut(line if held else line.lstrip())
            held.append(line)
            if not is_continued:
                break
        text = "".join(held).strip()
        return (begun, text) if text else None

    def skip(self, end: str, *, chomp: bool) -> None:
        """Skip a here-document.

        Args:
            end: the line that ends it.
            chomp: whether tabs may precede that line.
        """
        while self._at < len(self._lines):
            line = self._lines[self._at].rstrip("\r")
            self._at += 1
            if (line.lstrip("\t") if chomp else line) == end:
                return

    def _cut(self, line: str) -> tuple[str, bool]:
        """Return a line without the continuation character, and whether it is continued."""
        bare = line.rstrip(" \t")
        if not bare.endswith(self.escape) or bare.endswith(2 * self.escape):
            return line, False
        return bare[:-1], True


def _split(line: str, escape: str) -> tuple[str, list[tuple[str, str]], str]:
    """Return an instruction's name, its flags, and the rest of its line."""
    name, *more = line.split(maxsplit=1)
    rest = more[0] if more else ""
    flags: list[tuple[str, str]] = []
    word, blanks = re.compile(_word(escape)), re.compile(r"\s*")
    at = 0
    while rest.startswith("--", at):
        match = word.match(rest, at)
        end = match.end() if match else len(rest)
        given = rest[at:end]
        at = blanks.match(rest, end).end()  # type: ignore[union-attr]  # it also matches the empty string
        if given == "--":
            break
        flag, _, value = unquoted(given, escape)[2:].partition("=")
        flags.append((flag, value))
    return name.upper(), flags, rest[at:]


def words(text: str, escape: str) -> list[str] | None:
    """Split a text at blanks like a shell, keeping quotes and escapes; ``None`` for an unmatched quote or brace."""
    found: list[str] = []
    word = re.compile(rf"({_word(escape)})(?:\s+|\Z)")
    text = text.strip()
    at = 0
    while at < len(text):
        match = word.match(text, at)
        if match is None:
            return None
        found.append(match[1])
        at = match.end()
    return found


def unquoted(word: str, escape: str) -> str:
    """Return a word without its quotes and escapes."""
    e = re.escape(escape)
    pieces = re.findall(rf"'([^']*)'|\"((?:{e}.|(?!{e})[^\"])*)\"|{e}(.)|(.)", word, re.DOTALL)
    return "".join(
        single or re.sub(rf"{e}([\"$]|{e})", r"\1", double) or escaped or plain
        for single, double, escaped, plain in pieces
    )


def _word(escape: str) -> str:
    """Return the pattern of a word: plain characters, quoted ones, escaped ones, and variables in braces."""
    e = re.escape(escape)
    return rf"(?:'[^']*'|\"(?:{e}.|[^\"{e}])*\"|\$\{{[^}}]*\}}|{e}(?:.|$)|\$(?!\{{)|[^\s'\"${e}])+"


def _heredocs(name: str, rest: str, line: str, escape: str) -> list[tuple[str, bool]]:
    """Return the here-documents of a line: the end line of each, and whether tabs may precede it."""
    if "<<" not in line:
        return []
    if name == "ONBUILD":
        name, _, rest = _split(rest, escape) if rest else ("", [], "")
    if name not in _TAKE_HEREDOCS or _is_json(rest):
        return []
    # Their words follow shell rules, with any continuation character.
    matches = [_HEREDOC.fullmatch(word) for word in words(line, "\\") or ()]
    return [(unquoted(match[2], "\\"), match[1] == "-") for match in matches if match]


def _is_json(text: str) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, list) and all(isinstance(item, str) for item in found)
