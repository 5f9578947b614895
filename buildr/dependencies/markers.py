"""Environment markers: evaluates what is known before the image exists, and leaves the rest to pip inside it.

The guest is always Linux, and which extras and groups are wanted is known. Anything else, the version of Python
above all, depends on the image. The grammar is that of PEP 508; ``extras`` and ``dependency_groups`` are
those of lock files: https://packaging.python.org/en/latest/specifications/dependency-specifiers/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["ALWAYS", "NEVER", "Condition", "Wanted", "both", "either", "normalised", "read", "text"]

Atom = tuple[str, str, str]
"""A comparison, as it is written: both sides and the operator."""
Condition = frozenset[frozenset[Atom]]
"""One of these sets holds, with all that is in it (a disjunctive normal form)."""
ALWAYS: Condition = frozenset({frozenset()})
NEVER: Condition = frozenset()

MOST_TERMS = 500
"""More alternatives than any known lock has; the sets would grow exponentially."""

_KNOWN = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
_VARIABLES = frozenset(
    (
        *_KNOWN,
        *("python_version", "python_full_version", "platform_machine", "platform_release"),
        *("platform_version", "implementation_name", "implementation_version"),
        *("platform_python_implementation", "extra", "extras", "dependency_groups"),
    )
)
_OPPOSITE = {"<": ">=", ">=": "<", "==": "!=", "!=": "==", ">": "<=", "<=": ">", "in": "not in"}
_OPPOSITE |= {"not in": "in"}
_MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_WORD = r"""\s*(?:("[^"\\#\n]*"|'[^'\\#\n]*')|(not\s+in\b|in\b|and\b|or\b|[A-Za-z_]+)|(===|[=!~<>]=|[<>])|([()]))"""


class Wanted(Struct, frozen=True, kw_only=True):
    """The user's selection, normalized."""

    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


def normalised(name: str) -> str:
    """Return the normal form of a package's, extra's or group's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read(marker: str, wanted: Wanted) -> Condition:
    """Read a marker.

    Raises:
        ValueError: it is not one.
    """
    tokens = _tokens(marker)
    found = _either(tokens, wanted)
    if tokens:
        raise ValueError(marker)
    return found


def both(first: Condition, second: Condition) -> Condition:
    """Return the conjunction of two conditions.

    Raises:
        OverflowError: it has too many alternatives.
    """
    return _absorbed(
        joined for one in first for other in second if not _contradicts(joined := one | other)
    )


def either(first: Condition, second: Condition) -> Condition:
    """Return the disjunction of two conditions.

    Raises:
        OverflowError: it has too many alternatives.
    """
    return _absorbed(first | second)


def text(condition: Condition) -> str:
    """Write a condition as a marker for pip; empty if it is always true."""
    terms = sorted(
        " and ".join(sorted(" ".join(atom) for atom in term)) for term in condition if term
    )
    if len(terms) < len(condition):
        return ""
    if len(terms) > 1:
        terms = [f"({term})" if " and " in term else term for term in terms]
    return " or ".join(terms)


def _tokens(marker: str) -> list[str]:
    found = []
    end = 0
    rest = marker.rstrip()
    while end < len(rest):
        match = re.compile(_WORD).match(rest, end)
        if match is None or not match[0].strip().isprintable():
            raise ValueError(marker)
        found.append(" ".join(match[0].split()) if match[2] else match[0].strip())
        end = match.end()
    return found


def _either(tokens: list[str], wanted: Wanted) -> Condition:
    def conjunction() -> Condition:
        return _chain(tokens, "and", both, lambda: _one(tokens, wanted))

    return _chain(tokens, "or", either, conjunction)


def _chain(
    tokens: list[str],
    word: str,
    join: Callable[[Condition, Condition], Condition],
    part: Callable[[], Condition],
) -> Condition:
    found = part()
    while tokens and tokens[0] == word:
        del tokens[0]
        found = join(found, part())
    return found


def _one(tokens: list[str], wanted: Wanted) -> Condition:
    if tokens and tokens[0] == "(":
        del tokens[0]
        found = _either(tokens, wanted)
        if tokens[:1] != [")"]:
            raise ValueError(tokens)
        del tokens[0]
        return found
    left, operator, right = (*tokens[:3], "", "", "")[:3]
    del tokens[:3]
    sides = [side for side in (left, right) if side[:1] not in ("'", '"')]
    if (
        (operator not in _OPPOSITE and operator not in ("~=", "==="))
        or len(sides) != 1
        or sides[0] not in _VARIABLES
    ):
        raise ValueError(f"{left} {operator} {right}")
    return _comparison(left, operator, right, wanted)


def _comparison(left: str, operator: str, right: str, wanted: Wanted) -> Condition:
    variable, literal = (right, left[1:-1]) if left[0] in "'\"" else (left, right[1:-1])
    chosen = {"extra": wanted.extras, "extras": wanted.extras, "dependency_groups": wanted.groups}
    if variable in chosen:
        return _condition(normalised(literal) in chosen[variable], operator)
    if variable in _KNOWN and operator in ("==", "!="):
        return _condition(_KNOWN[variable] == literal, operator)
    if variable in _KNOWN and operator in ("in", "not in"):
        value = _KNOWN[variable]
        return _condition(value in literal if left == variable else literal in value, operator)
    if left != variable and operator in (*_MIRRORED, "==", "!="):
        # "3.8" <= python_version: with the variable first, as nearly everybody writes it.
        left, operator, right = right, _MIRRORED.get(operator, operator), left
    return frozenset({frozenset({(_quoted(left), operator, _quoted(right))})})


def _quoted(side: str) -> str:
    """Write a literal in the quotes that it allows, the same for all, so that equal ones are seen as such."""
    if side[0] not in "'\"":
        return side
    return f"'{side[1:-1]}'" if "'" not in side[1:-1] else side


def _condition(holds: bool, operator: str) -> Condition:
    return ALWAYS if holds == (operator in ("==", "in", "===")) else NEVER


def _opposite(atom: Atom) -> Atom | None:
    left, operator, right = atom
    return (left, _OPPOSITE[operator], right) if operator in _OPPOSITE else None


def _contradicts(term: frozenset[Atom]) -> bool:
    return any(_opposite(atom) in term for atom in term)


def _absorbed(terms: Iterable[frozenset[Atom]]) -> Condition:
    """Leave out terms that others include, and join two that differ in one comparison and its opposite."""
    found = set(terms)
    while True:
        if len(found) > MOST_TERMS:
            raise OverflowError
        pair = _mergeable(found)
        if pair is None:
            break
        found.add(pair)
        found = {term for term in found if not any(other < term for other in found)}
    return frozenset(term for term in found if not any(other < term for other in found))


def _mergeable(terms: set[frozenset[Atom]]) -> frozenset[Atom] | None:
    for term in terms:
        for atom in term:
            rest = term - {atom}
            opposite = _opposite(atom)
            if opposite is not None and rest not in terms and (rest | {opposite}) in terms:
                return rest
    return None
