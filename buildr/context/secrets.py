"""Files that probably contain a secret, and are left out of the context unless they are explicitly included.

They are recognized by name (`buildr.context.secret_names`) or content (`buildr.context.secret_contents`). A user
includes one with a ``!`` line in the ignore file that names it.

Longer than 250 lines: one table of rules with its reading.
"""

from __future__ import annotations

from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from buildr.context.entries import first_of, printable
from buildr.context.ignore.pattern import Pattern, PatternSet
from buildr.context.secret_contents import MOST_BYTES, find_secret
from buildr.context.secret_names import FOLDERS, ROWS, SOURCE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from buildr.context.ignore.rules import IgnoreRules
    from buildr.context.secret_names import Row

__all__ = ["SecretTable", "Suspicion", "describe", "describe_extra", "describe_histories"]

_KEY_BYTES: Final = (
    4 << 20
)  # of a file that may be a key by its name, which may follow a long chain of certificates
_TABLE_NAMES: Final = frozenset(name for row in (*ROWS, *FOLDERS) for name in row.names.split())


class Suspicion(NamedTuple):
    """What to look for in a file's content if its name does not decide."""

    most_bytes: int
    """How much of it is to be read."""
    is_secret: Callable[[bytes], bool]
    """Whether a content that was read to its end is held back."""
    if_longer: bool
    """Whether a longer one is."""


_ANY_CONTENT: Final = Suspicion(MOST_BYTES, find_secret, if_longer=False)
_CERTAIN: Final = Suspicion(0, lambda _: True, if_longer=True)


class SecretTable:
    """The table of secrets, for one context.

    A ``!`` of the ignore file asks for a secret when it names it: its last component begins with a letter of
    the name (``!.env*``) or is a pattern of the table (``!*.pem``). ``!**/*.json`` names none, and neither
    does ``!src`` for its content. For a folder of secrets, ``!.aws``, ``!.aws/*`` and ``!.aws/**`` ask alike.

    Args:
        rules: the ignore rules that apply.
    """

    def __init__(self, rules: IgnoreRules) -> None:
        self._files, self._folders = _tables()
        self._asked = PatternSet(tuple(filter(_names_something, rules.exceptions)))
        folders = (_without_wildcards_below(pattern) for pattern in rules.exceptions)
        self._asked_folders = PatternSet(tuple(filter(_names_something, folders)))

    def suspect(self, path: str, name: str) -> Suspicion | None:
        """Return why a file may be left out.

        Args:
            path: the file, relative to the context.
            name: its last component.

        Returns:
            What to look for in its content; ``None`` if the file is included, or is source code.
        """
        row = self._files.find(path, name)
        if row is None:
            if _is_source(name) or self.asks_for(path, name):
                return None
            return _ANY_CONTENT
        if self.asks_for(path, name):
            return None
        return _suspicion(row)

    def is_secret_name(self, path: str, name: str) -> bool:
        """Whether the name of a file marks it as a secret, even if it is included."""
        row = self._files.find(path, name)
        return row is not None and row.by_name

    def is_secret_folder(self, path: str, name: str) -> bool:
        """Whether the name of a folder or link is that of a folder of secrets."""
        return self._folders.find(path, name) is not None

    def asks_for(self, path: str, name: str) -> bool:
        """Whether the ignore file includes the file ``path``."""
        return self._asked.matches(path, name)

    def asks_for_folder(self, path: str, name: str) -> bool:
        """Whether the ignore file includes the folder ``path`` completely."""
        return self._asked_folders.matches(path, name)

    def may_ask_below(self, directory: str) -> bool:
        """Whether the ignore file may include something below ``directory``."""
        asked = (*self._asked.patterns, *self._asked_folders.patterns)
        return any(pattern.may_match_below(directory) for pattern in asked)


def _suspicion(row: Row) -> Suspicion:
    if (shows := row.shows) is not None:
        return Suspicion(MOST_BYTES, lambda data: shows(data) or find_secret(data), if_longer=False)
    if (unless := row.unless) is not None:
        return Suspicion(_KEY_BYTES, lambda data: not unless(data), if_longer=True)
    return _CERTAIN


class _Glob:
    """A pattern for any depth, in which only ``*`` is special.

    No expression is compiled: hundreds of them would cost more than a walk of a small project.
    """

    def __init__(self, text: str) -> None:
        self.is_wild = "*" in text
        self.parts = [component.split("*") for component in text.split("/")]
        self._any_source = not self.is_wild or text[0] == "."

    def matches(self, components: Sequence[str]) -> bool:
        """Whether it matches a path, given by its components in lower case."""
        if len(components) < len(self.parts):
            return False
        if not self._any_source and _is_source(components[-1]):
            return False
        last = components[-len(self.parts) :]
        return all(map(_fits, self.parts, last))


def _fits(pieces: Sequence[str], name: str) -> bool:
    first, *others = pieces
    if not others:
        return name == first
    *inner, last = others
    if len(name) < len(first) + len(last) or not name.startswith(first):
        return False
    at, end = len(first), len(name) - len(last)
    for piece in inner:
        at = name.find(piece, at, end) + len(piece)
        if at < len(piece):
            return False
    return name.endswith(last) and at <= end


class _Candidate(NamedTuple):
    """A pattern of a row, with the row's place in the table."""

    place: int
    row: Row
    glob: _Glob


_place = attrgetter("place")


class _Names:
    """Rows, arranged so that for most paths one or two lookups show that none matches."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._excepted: list[list[_Glob]] = []
        self._exact: dict[str, list[_Candidate]] = {}
        self._below: dict[str, list[_Candidate]] = {}  # by the folder, if the name says little
        self._wild: list[_Candidate] = []
        for at, row in enumerate(rows):
            fits, excepted = _globs(row)
            self._excepted.append(excepted)
            for glob in fits:
                candidate = _Candidate(at, row, glob)
                name = glob.parts[-1]
                if len(name) == 1:
                    self._exact.setdefault(name[0], []).append(candidate)
                elif len(glob.parts) > 1 and len(glob.parts[-2]) == 1:
                    self._below.setdefault(glob.parts[-2][0], []).append(candidate)
                else:
                    self._wild.append(candidate)
        names = [candidate.glob.parts[-1] for candidate in self._wild]
        telling = [(pieces, max(pieces, key=len)) for pieces in names]
        self._heads = tuple({piece for pieces, piece in telling if piece == pieces[0]})
        self._tails = tuple({piece for pieces, piece in telling if piece == pieces[-1]})
        self._inner = tuple({piece for pieces, piece in telling if piece in pieces[1:-1]})

    def find(self, path: str, name: str) -> Row | None:
        """Return the first row that matches a path whose last component is ``name``."""
        low = name.lower()
        candidates = self._exact.get(low, [])
        if (
            low.endswith(self._tails)
            or low.startswith(self._heads)
            or any(piece in low for piece in self._inner)
        ):
            candidates = candidates + self._wild
        if self._below and len(path) > len(name):
            parent = path[: -len(name) - 1].rpartition("/")[2].lower()
            candidates = candidates + self._below.get(parent, [])
        if not candidates:
            return None
        components = path.lower().split("/")
        for at, row, glob in sorted(candidates, key=_place):
            if glob.matches(components) and not any(
                excepted.matches(components) for excepted in self._excepted[at]
            ):
                return row
        return None


def _globs(row: Row) -> tuple[list[_Glob], list[_Glob]]:
    """Return a row's patterns, and its exceptions."""
    names = row.names.split()
    return (
        [_Glob(name) for name in names if name[0] != "!"],
        [_Glob(name[1:]) for name in names if name[0] == "!"],
    )


@cache
def _tables() -> tuple[_Names, _Names]:
    return _Names(ROWS), _Names(FOLDERS)


def _is_source(name: str) -> bool:
    return "." in name and name.rpartition(".")[2].lower() in SOURCE


def _names_something(pattern: Pattern) -> bool:
    name = pattern.text.rpartition("/")[2]
    return name[0] not in "*?[" or name in _TABLE_NAMES


def _without_wildcards_below(pattern: Pattern) -> Pattern:
    text = pattern.text.removesuffix("/**").removesuffix("/*")
    # Where the slash was escaped, a backslash would be left over.
    return pattern if text.endswith("\\") else Pattern(text)


def describe(held_back: Sequence[str]) -> str:
    """Return a line about omitted secrets; empty if there are none.

    Args:
        held_back: omitted paths relative to the context, folders with a final ``/``.
    """
    if not held_back:
        return ""
    first = next(filter(_holds_variables, held_back), held_back[0])
    way = f"name it in the ignore file: !{printable(first)}"
    if _holds_variables(first):
        way += "; for its variables alone, name it in env_file"
    return f"{_list(held_back)} (to send one, {way})"


def describe_extra(source: str, held_back: Sequence[str]) -> str:
    """Return a line about omitted secrets of an additional folder; empty if there are none.

    Args:
        source: the folder.
        held_back: omitted paths relative to it, folders with a final ``/``.
    """
    if not held_back:
        return ""
    paths = [f"{source.rstrip('/')}/{path}" for path in held_back]
    return f"{_list(paths)} (to send one, name the file itself in additional_files)"


def describe_histories(left_out: Sequence[str]) -> str:
    """Return a line about omitted version control folders; empty if the ignore file excludes them itself."""
    if not left_out:
        return ""
    way = f"to send it, without logins, add the line !{printable(left_out[0])} to the ignore file"
    return f"left out, since it is the history of a version control system: {first_of(left_out)} ({way})"


def _list(paths: Sequence[str]) -> str:
    which = "it looks" if len(paths) == 1 else "they look"
    return f"left out, since {which} like a secret: {first_of(paths)}"


def _holds_variables(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith(".env") or name.endswith(".env")
