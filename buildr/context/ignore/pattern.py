"""One pattern of an ignore file: what is valid, and what it matches.

The meaning is that of moby/patternmatcher, which Docker's command, its classic builder and BuildKit share:
the syntax is that of Go's ``path/filepath.Match``, plus ``**``; a pattern is anchored at the context.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from buildr.context.ignore.automaton import Automaton, is_certain, is_simple
from buildr.context.ignore.go_regexp import pieces

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Pattern", "PatternSet", "clean"]

_Kind = Literal["exact", "prefix", "suffix", "regexp"]

# What shouldEscape() of moby/patternmatcher puts a backslash before.
_ESCAPED: Final = frozenset(".+()|{}$")
# As many of all patterns together are left to ``re``, which tries them one by one.
_MOST_PIECES: Final = 4096
# A component with one of these may match a slash, or less than it seems to, once Go reads it.
_UNSURE: Final = frozenset("[]\\^")
# "**/" and a name with wildcards that match no slash.
_ANY_FOLDER: Final = re.compile(
    r"(?s)\*\*/(?:\*(?P<tail>[^][*?\\^/]+)|(?P<head>[^][*?\\^/]+)\*|(?P<plain>(?:[^][*\\^/]|\*(?!\*)|\[\w+\])+))"
)


def clean(path: str) -> str:
    """Give the shortest equal path, as Go's ``path.Clean`` does: no ``.``, ``//`` or final slash."""
    rooted = path.startswith("/")
    kept: list[str] = []
    for part in path.split("/"):
        if part in {"", "."}:
            continue
        if part != ".." or (not rooted and (not kept or kept[-1] == "..")):
            kept.append(part)
        elif kept:
            kept.pop()
    return ("/" if rooted else "") + "/".join(kept) or "."


class Pattern:
    """One pattern, without its ``!``.

    Args:
        text: a cleaned pattern.

    Attributes:
        text: the same.
        kind: how it is compared; ``exact``, ``prefix`` (of ``literal``), ``suffix`` or ``regexp``.
        literal: what it is compared with; empty for a ``regexp``.
        pieces: of the regular expression, see `buildr.context.ignore.go_regexp`; none for every other kind.

    Raises:
        ValueError: the pattern is not valid; the text says why.
    """

    __slots__ = ("_heads", "kind", "literal", "pieces", "text")

    def __init__(self, text: str) -> None:
        _check_syntax(text)
        self.text = text
        self.kind, expression = _expression(text)
        self.literal = ""
        self.pieces: list[str] = []
        if self.kind == "exact":
            self.literal = text
        elif self.kind == "prefix":
            self.literal = text[:-2]
        elif self.kind == "suffix":
            self.literal = text[2:]
        else:
            self.pieces = pieces(expression)
            if not (is_simple(self.pieces) or is_certain(self.pieces)):
                raise ValueError(
                    "an escape such as \\\\b cannot be combined with several wildcards"
                )
        self._heads: tuple[re.Pattern[str], ...] | None = None

    def may_match_below(self, directory: str) -> bool:
        """Whether a path below ``directory``, which itself does not match, could match.

        When unsure, it could.
        """
        if self.kind == "suffix":
            return True
        if self.kind != "regexp":
            return self.literal.startswith(directory + "/")
        if self._heads is None:
            self._heads = _heads(self.text)
        return all(map(re.Pattern.fullmatch, self._heads, directory.split("/")))


class PatternSet:
    """A set of patterns, arranged so that few paths need a regular expression."""

    __slots__ = (
        "_name_heads",
        "_name_regexp",
        "_name_tails",
        "_names",
        "_path_heads",
        "_path_regexp",
        "_path_tails",
        "_paths",
        "patterns",
    )

    def __init__(self, patterns: tuple[Pattern, ...]) -> None:
        self.patterns = patterns
        paths = {p.literal for p in patterns if p.kind == "exact"}
        tails = [p.literal for p in patterns if p.kind == "suffix"]
        regexps = [p for p in patterns if p.kind == "regexp"]
        # "**/name" is the most usual pattern of all, and "**/*.py" the next.
        names = {tail[1:] for tail in tails if tail.startswith("/") and tail.count("/") == 1}
        tails = [tail for tail in tails if tail[1:] not in names or tail[0] != "/"]
        paths.update(tail[1:] for tail in tails if tail.startswith("/"))
        by_name = [m for p in regexps if (m := _ANY_FOLDER.fullmatch(p.text))]
        self._names = frozenset(names)
        self._name_heads = tuple(m["head"] for m in by_name if m["head"])
        self._name_tails = tuple(m["tail"] for m in by_name if m["tail"])
        self._name_regexp = _compile(
            [pieces(_expression(m["plain"])[1]) for m in by_name if m["plain"]]
        )
        self._paths = frozenset(paths)
        self._path_heads = tuple(p.literal for p in patterns if p.kind == "prefix")
        self._path_tails = tuple(tails)
        self._path_regexp = _compile(
            [p.pieces for p in regexps if not _ANY_FOLDER.fullmatch(p.text)]
        )

    def matches(self, path: str, name: str) -> bool:
        """Whether one of them matches ``path``, whose last component is ``name``."""
        if name in self._names or path in self._paths:
            return True
        if path.startswith(self._path_heads) or path.endswith(self._path_tails):
            return True
        if (
            name.endswith(self._name_tails)
            or name.startswith(self._name_heads)
            or (self._name_regexp is not None and self._name_regexp(name))
        ) and "\n" not in path[: -len(name)]:  # Go's "(.*/)?" does not match a line's end
            return True
        return self._path_regexp is not None and self._path_regexp(path)


def _compile(expressions: list[list[str]]) -> Callable[[str], bool] | None:
    """Return a function that tells whether one of the expressions matches a whole text."""
    if not expressions:
        return None
    few = sum(map(len, expressions)) <= _MOST_PIECES
    quick: list[list[str]] = []
    slow: list[list[str]] = []
    for one in expressions:
        (quick if (few and is_simple(one)) or not is_certain(one) else slow).append(one)
    regexp = re.compile("|".join(f"(?:{''.join(one)})" for one in quick)) if quick else None
    if not slow:
        return lambda text: regexp is not None and regexp.fullmatch(text) is not None
    automaton = Automaton(slow)
    if regexp is None:
        return automaton.matches
    return lambda text: regexp.fullmatch(text) is not None or automaton.matches(text)


def _expression(text: str) -> tuple[_Kind, str]:
    """Do what ``Pattern.compile`` does: decide the kind, and write Go's expression (without ^ and $)."""
    kind: _Kind = "exact"
    out: list[str] = []
    at = 0
    while at < len(text):
        first = at == 0
        char = text[at]
        at += 1
        if char == "*" and text.startswith("*", at):
            at += 1
            at += text.startswith("/", at)
            if at < len(text):
                out.append("(.*/)?")
                kind = "regexp"
            elif kind == "exact":
                kind = "prefix"
            else:
                out.append(".*")
                kind = "regexp"
            if first:
                kind = "suffix"
            continue
        if char == "\\":
            char += text[at]
            at += 1
        out.append({"*": "[^/]*", "?": "[^/]"}.get(char, f"\\{char}" if char in _ESCAPED else char))
        if char[0] in "*?\\[]":
            kind = "regexp"
    return kind, "".join(out)


def _heads(text: str) -> tuple[re.Pattern[str], ...]:
    """Compile the leading components of which it is certain that each matches one of a path, and of which that is quickly said."""
    heads: list[re.Pattern[str]] = []
    for part in text.split("/"):
        if part.count("*") > 1 or not _UNSURE.isdisjoint(part):
            break
        heads.append(re.compile(re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")))
    return tuple(heads)


def _check_syntax(text: str) -> None:
    """Raise ValueError where Go's ``filepath.Match`` gives ``ErrBadPattern``."""
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\" and at + 1 == len(text):
            raise ValueError("it ends with a backslash that escapes nothing")
        if char == "[":
            at = _check_class(text, at + 1)
        else:
            at += 2 if char == "\\" else 1


def _check_class(text: str, at: int) -> int:
    at += text.startswith("^", at)
    ranges = 0
    while ranges == 0 or not text.startswith("]", at):
        at = _check_class_char(text, at)
        if text.startswith("-", at):
            at = _check_class_char(text, at + 1)
        ranges += 1
    return at + 1


def _check_class_char(text: str, at: int) -> int:
    if text[at : at + 1] in {"", "-", "]"}:
        raise ValueError(
            "a character class, [...], is empty, has no end, or has a bare - or ] in it"
        )
    at += text[at] == "\\"
    if at >= len(text) or "\ud800" <= text[at] <= "\udfff":
        raise ValueError("a character class, [...], has no end, or holds a byte that is not UTF-8")
    if at + 1 >= len(text):
        raise ValueError("a character class, [...], has no end")
    return at + 1
