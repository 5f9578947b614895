r"""The part of Go's regular expressions that an ignore file can reach, said in Python's.

Docker's builder turns each pattern of an ignore file into an expression of Go's ``regexp`` package and
hands it character classes and escapes as they stand (moby/patternmatcher, ``Pattern.compile``), so these
mean what ``regexp/syntax`` says: ``[[:alpha:]]`` is a POSIX class and ``\d`` a digit. Python's ``re``
reads some of them differently, hence this translation.
"""

from __future__ import annotations

import re

from buildr.context.ignore.automaton import FOLDERS

__all__ = ["pieces"]

_LAST = 0x10FFFF

_Range = tuple[int, int]

_DIGIT = ((0x30, 0x39),)
_UPPER = ((0x41, 0x5A),)
_LOWER = ((0x61, 0x7A),)
_ALPHA = (*_UPPER, *_LOWER)
_WORD = (*_DIGIT, *_ALPHA, (0x5F, 0x5F))
_PERL_SPACE = ((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20))

_PERL: dict[str, tuple[_Range, ...]] = {"d": _DIGIT, "s": _PERL_SPACE, "w": _WORD}
_POSIX: dict[str, tuple[_Range, ...]] = {
    "alnum": (*_DIGIT, *_ALPHA),
    "alpha": _ALPHA,
    "ascii": ((0x00, 0x7F),),
    "blank": ((0x09, 0x09), (0x20, 0x20)),
    "cntrl": ((0x00, 0x1F), (0x7F, 0x7F)),
    "digit": _DIGIT,
    "graph": ((0x21, 0x7E),),
    "lower": _LOWER,
    "print": ((0x20, 0x7E),),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "space": ((0x09, 0x0D), (0x20, 0x20)),
    "upper": _UPPER,
    "word": _WORD,
    "xdigit": (*_DIGIT, (0x41, 0x46), (0x61, 0x66)),
}
_CONTROL = {"a": 0x07, "f": 0x0C, "n": 0x0A, "r": 0x0D, "t": 0x09, "v": 0x0B}
_ANCHORS = {"A": r"\A", "z": r"\Z", "b": r"(?a:\b)", "B": r"(?a:\B)"}
_OPTIONAL_FOLDERS = "(.*/)?"


def pieces(expression: str) -> list[str]:
    r"""Translate an expression that was made from a pattern; joined, the pieces are meant for ``re.fullmatch``.

    Args:
        expression: Go's syntax, without the outer ``^`` and ``$``. Repetition and groups are those that
            the pattern compiler writes; all that a user can add are literals, classes and escapes.

    Returns:
        What matches one character each; ``*`` after such a piece; ``(?:.*/)?``; anchors.

    Raises:
        ValueError: Go's ``regexp`` would refuse it, or it uses ``\p``, ``\P`` or ``\Q``.
    """
    out: list[str] = []
    at = 0
    while at < len(expression):
        char = expression[at]
        if char == "[":
            piece, at = _class(expression, at)
        elif char == "\\":
            piece, at = _escape(expression, at)
        elif expression.startswith(_OPTIONAL_FOLDERS, at):
            piece, at = FOLDERS, at + len(_OPTIONAL_FOLDERS)
        elif char in ".*^":
            piece, at = char, at + 1
        else:
            piece, at = re.escape(char), at + 1
        out.append(piece)
    return out


def _escape(text: str, at: int) -> tuple[str, int]:
    letter = text[at + 1]
    if letter in _ANCHORS:
        return _ANCHORS[letter], at + 2
    if letter.lower() in _PERL:
        return _write(_perl(letter), negated=False), at + 2
    code, at = _escaped_char(text, at)
    return re.escape(chr(code)), at


def _escaped_char(text: str, at: int) -> tuple[int, int]:
    r"""Read ``\x`` for one character; give its code point and the place after it."""
    letter = text[at + 1 : at + 2]
    after = at + 2
    if letter in _CONTROL:
        return _CONTROL[letter], after
    if letter.isascii() and letter and not letter.isalnum():
        return ord(letter), after
    if letter == "x" and re.match(r"[0-9A-Fa-f]{2}", text[after:]):
        return int(text[after : after + 2], 16), after + 2
    octal = re.match(r"0[0-7]{0,2}|[1-7][0-7]{1,2}", text[at + 1 :])
    if octal:
        return int(octal[0], 8), at + 1 + octal.end()
    raise ValueError(
        f"\\{letter} has no meaning; a backslash goes before a character to be taken literally"
    )


def _perl(letter: str) -> tuple[_Range, ...]:
    ranges = _PERL[letter.lower()]
    return _complement(ranges) if letter.isupper() else ranges


def _class(text: str, at: int) -> tuple[str, int]:
    """Translate the class that begins at ``at``; its first ``]`` is a character like any other."""
    start = at
    at += 1
    negated = text.startswith("^", at)
    at += negated
    ranges: list[_Range] = []
    first = True
    while first or text[at : at + 1] != "]":
        first = False
        if at >= len(text):
            raise ValueError(f"the character class {text[start:]} has no end")
        named = _named(text, at)
        if named is None:
            named = _range(text, at)
        found, at = named
        ranges.extend(found)
    return _write(ranges, negated=negated), at + 1


def _named(text: str, at: int) -> tuple[tuple[_Range, ...], int] | None:
    if text.startswith("[:", at) and (end := text.find(":]", at + 2)) >= 0:
        name = text[at + 2 : end]
        ranges = _POSIX.get(name.removeprefix("^"))
        if ranges is None:
            raise ValueError(f"[:{name}:] names no class of characters")
        return (_complement(ranges) if name.startswith("^") else ranges), end + 2
    if text.startswith("\\", at) and text[at + 1 : at + 2].lower() in _PERL:
        return _perl(text[at + 1]), at + 2
    return None


def _range(text: str, at: int) -> tuple[tuple[_Range, ...], int]:
    low, at = _class_char(text, at)
    high = low
    if text.startswith("-", at) and text[at + 1 : at + 2] not in {"", "]"}:
        high, at = _class_char(text, at + 1)
    if high < low:
        raise ValueError(f"the range {chr(low)}-{chr(high)} runs backwards")
    return ((low, high),), at


def _class_char(text: str, at: int) -> tuple[int, int]:
    if text.startswith("\\", at):
        return _escaped_char(text, at)
    if at >= len(text):
        raise ValueError("a character class has no end")
    return ord(text[at]), at + 1


def _complement(ranges: tuple[_Range, ...]) -> tuple[_Range, ...]:
    out = []
    low = 0
    for first, last in sorted(ranges):
        if first > low:
            out.append((low, first - 1))
        low = last + 1
    if low <= _LAST:
        out.append((low, _LAST))
    return tuple(out)


def _write(ranges: list[_Range] | tuple[_Range, ...], *, negated: bool) -> str:
    body = "".join(
        re.escape(chr(low)) if low == high else f"{re.escape(chr(low))}-{re.escape(chr(high))}"
        for low, high in ranges
    )
    return f"[{'^' if negated else ''}{body}]"
