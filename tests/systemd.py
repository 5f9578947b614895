"""Parses lines of systemd units as systemd does, to see what a program would get."""

from __future__ import annotations

_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "s": " ",
}
_DIGITS = {"x": 2, "u": 4, "U": 8}
_BLANKS = " \t\n\r"


def split(text: str) -> list[str]:
    """Split a line into words: systemd.syntax(7), "Quoting"."""
    found: list[str] = []
    word: str | None = None
    quote = ""
    at = 0
    while at < len(text):
        character = text[at]
        at += 1
        if character == "\\":
            kind = text[at]
            at += 1
            if kind in _DIGITS:
                character = chr(int(text[at : at + _DIGITS[kind]], 16))
                at += _DIGITS[kind]
            else:
                character = _ESCAPES[kind]
            word = (word or "") + character
        elif quote:
            if character == quote:
                quote = ""
            else:
                word = (word or "") + character
        elif character in "\"'":
            quote, word = character, word or ""
        elif character in _BLANKS:
            if word is not None:
                found.append(word)
            word = None
        else:
            assert not (character == ";" and word is None and text[at : at + 1] in ("", " ")), (
                "a separate semicolon begins another command"
            )
            word = (word or "") + character
    assert not quote, f"unmatched quote: {text}"
    return found if word is None else [*found, word]


def expand(word: str, **specifiers: str) -> str:
    """Replace ``%`` (systemd.unit(5), "Specifiers") and ``$`` (systemd.service(5), "Command lines"); no variable may be set."""
    found = ""
    at = 0
    while at < len(word):
        two = word[at : at + 2]
        if two in ("%%", "$$"):
            found += two[0]
        elif two[0] == "%":
            found += specifiers[two[1]]
        else:
            assert two[0] != "$", f"{word} would be replaced"
            found += two[0]
            at -= 1
        at += 2
    return found


def keys(text: str, section: str) -> list[tuple[str, str]]:
    """Return the entries of a section of a unit, in their order."""
    found: list[tuple[str, str]] = []
    here = ""
    for line in text.split("\n"):
        assert not line.endswith("\\"), "it would continue in the next line"
        if line.startswith("["):
            here = line
        elif line and not line.startswith("#") and here == f"[{section}]":
            key, equals, value = line.partition("=")
            assert equals
            assert value == value.strip(_BLANKS)
            found.append((key, value))
    return found
