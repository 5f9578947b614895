"""Patterns with several wildcards, matched in a time that grows with path and patterns alone.

``re`` tries every way to share a path out among the wildcards of a pattern: ``*a*a*a*b`` takes it minutes on a name of two hundred
letters. Here all ways are followed at once, as one bit each of a large number (Baeza-Yates and Gonnet, "A new approach to text
searching", 1992; Navarro and Raffinot, "Flexible Pattern Matching in Strings", 2002, 4.3).
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["FOLDERS", "Automaton", "is_certain", "is_simple"]

FOLDERS: Final = "(?:.*/)?"
_ANCHORS: Final = frozenset((r"\A", r"\Z", r"(?a:\b)", r"(?a:\B)", "^"))
_STAR: Final = "*"


def is_simple(pieces: list[str]) -> bool:
    """Whether ``re`` matches an expression quickly, as no two of its wildcards can share the same text.

    Args:
        pieces: of the expression, see `buildr.context.ignore.go_regexp.pieces`.
    """
    before = ["", *pieces]
    stars = [one for one, star in zip(before, pieces, strict=False) if star == _STAR]
    anything = stars.count(".") + pieces.count(FOLDERS)
    return anything <= 1 and len(stars) - stars.count(".") <= 1


def is_certain(pieces: list[str]) -> bool:
    """Whether an expression can be matched here: none of its pieces stands for a place between two characters."""
    return _ANCHORS.isdisjoint(pieces)


class Automaton:
    """Expressions of which one has to match a whole text.

    Args:
        expressions: the pieces of each.
    """

    def __init__(self, expressions: list[list[str]]) -> None:
        self._literals: dict[str, int] = {}
        self._classes: dict[str, int] = {}
        self._loops: dict[str, int] = {}
        self._next = self._over = self._start = self._end = 0
        self._known: dict[str, tuple[int, int]] = {}
        place = 0
        for pieces in expressions:
            self._start |= 1 << place
            place = self._add(pieces, place)
            self._end |= 1 << place
            place += 1
        self._start = self._closed(self._start)

    def matches(self, text: str) -> bool:
        """Say whether one of the expressions matches the whole text."""
        places = self._start
        for char in text:
            if not places:
                return False
            steps, stays = self._known.get(char) or self._learn(char)
            places = self._closed((places & steps) << 1 | places & stays)
        return bool(places & self._end)

    def _add(self, pieces: list[str], place: int) -> int:
        """Add an expression that begins at a place; return that of its end."""
        last = ""
        for at, piece in enumerate(pieces):
            if piece == _STAR:
                continue
            is_loop = pieces[at + 1 : at + 2] == [_STAR]
            whole = f"{piece}{_STAR}" if is_loop else piece
            if (is_loop or piece == FOLDERS) and whole == last:
                continue  # twice the same is the same as once
            last = whole
            if piece == FOLDERS:  # either nothing, or anything and a slash
                self._next |= 1 << place
                self._over |= 1 << place
                self._loop(".", place + 1)
                self._char("/", place + 2)
                place += 3
            elif is_loop:
                self._loop(piece, place)
                place += 1
            else:
                self._char(piece, place)
                place += 1
        return place

    def _loop(self, piece: str, place: int) -> None:
        self._loops[piece] = self._loops.get(piece, 0) | 1 << place
        self._next |= 1 << place

    def _char(self, piece: str, place: int) -> None:
        literal = piece[1:] if len(piece) == 2 and piece[0] == "\\" else piece
        kind = self._literals if len(literal) == 1 else self._classes
        kind[literal] = kind.get(literal, 0) | 1 << place

    def _closed(self, places: int) -> int:
        """Add the places that can be reached without another character."""
        while True:
            more = places | (places & self._next) << 1 | (places & self._over) << 3
            if more == places:
                return places
            places = more

    def _learn(self, char: str) -> tuple[int, int]:
        """Return from which places a character leads on, and at which it can stay."""
        steps, stays = self._literals.get(char, 0), 0
        for piece, places in self._classes.items():
            if re.fullmatch(piece, char):
                steps |= places
        for piece, places in self._loops.items():
            if re.fullmatch(piece, char):
                stays |= places
        self._known[char] = steps, stays
        return steps, stays
