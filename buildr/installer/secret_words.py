"""The words of a secret: texts that are hidden in all output and searched for in files."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote

from buildr.host.confidential import is_confidential, logins

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SHORTEST_SOUGHT", "Word", "words_of"]

SHORTEST_SOUGHT: Final = 8
"""Characters of a word that is looked for in files; a shorter one may stand anywhere by chance."""

_PUBLIC: Final = ("cert", "PIP_CERT")  # certificates are not secret
_KEY: Final = "PIP_CLIENT_CERT"  # a certificate with its key
_PASSWORD_OF_NETRC: Final = re.compile(r"\b(?:password|account)\s+(\"(?:[^\"\\]|\\.)*\"|\S+)")
_FIELD: Final = re.compile(r"(?:export\s+)?[\"']?([\w.-]+)[\"']?\s*[:=]\s*(\S.*)")
_SHORTEST: Final = 4  # characters; a shorter text would be found everywhere
_LONG: Final = 16  # characters of a text that identifies a file
_COMMON: Final = frozenset(
    ("password", "changeme", "postgres", "postgresql", "username", "administrator", "localhost")
)
"""Values of examples and tests, which appear in many sources."""
_FRAMES: Final = ("-----", "#", ";", "[", "//")


class Word(NamedTuple):
    """A text that must not appear.

    Attributes:
        text: the word.
        sought: whether it is searched for in files, too: it is long enough not to appear by chance.
    """

    text: str
    sought: bool


def words_of(name: str, text: str, *, of_host: bool) -> Iterator[Word]:
    """Yield the parts of a secret that must not appear anywhere: its passwords if their places are known, otherwise its lines.

    Args:
        name: the secret's id, or the variable of a setting of pip's.
        text: its value.
        of_host: whether it is a setting of pip's on this host, most of which are not secret.
    """
    for word in _found(name, text, of_host=of_host):
        for spelt in dict.fromkeys((word.text, unquote(word.text))):
            if len(spelt) >= _SHORTEST and not spelt.startswith(("-----", "#")):
                sought = word.sought and len(spelt) >= SHORTEST_SOUGHT
                yield Word(spelt, sought and spelt.lower() not in _COMMON)


def _found(name: str, text: str, *, of_host: bool) -> Iterator[Word]:
    if name in _PUBLIC:
        return
    passwords = logins(text)
    yield from (Word(password, sought=True) for password in passwords)
    if name == "netrc":
        for match in _PASSWORD_OF_NETRC.finditer(text):
            yield Word(match[1].strip('"'), sought=True)
        return
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    if name != _KEY and (of_host or name == "pip.conf" or (passwords and len(lines) == 1)):
        return
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict | list):
        yield from _of_json(found)
    elif len(lines) == 1:
        yield Word(lines[0], sought=True)
    else:
        for line in lines:
            yield from _of_line(line)


def _of_line(line: str) -> Iterator[Word]:
    """Yield the words of one of several lines: a frame such as -----BEGIN … is not secret."""
    if line.startswith(_FRAMES):
        return
    field = _FIELD.fullmatch(line)
    if field is not None:
        value = field[2].strip().strip("\"',")
        is_secret = is_confidential(field[1])
        if is_secret or _is_random(value):
            yield Word(value, sought=is_secret)
    elif len(line) >= _LONG or not re.search(r"\s", line):
        yield Word(line, sought=len(line) >= _LONG)


def _of_json(value: Any, name: str = "") -> Iterator[Word]:
    """Yield the words of a document: the values of fields with a name for secrets, and what looks random."""
    pending = [(name, value)]
    while pending:
        name, value = pending.pop()
        if isinstance(value, dict):
            pending += [(str(key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            pending += [(name, inner) for inner in value]
        elif isinstance(value, str) and (is_confidential(name) or _is_random(value)):
            lines = value.strip().splitlines()
            if len(lines) > 1:
                for line in lines:
                    yield from _of_line(line.strip())
            else:
                # As it is written in the document, where that is another text.
                for spelt in (
                    value,
                    json.dumps(value)[1:-1],
                    json.dumps(value, ensure_ascii=False)[1:-1],
                ):
                    yield Word(spelt, sought=True)


def _is_random(value: str) -> bool:
    return (
        len(value) >= _LONG
        and "://" not in value
        and re.search(r"\d", value) is not None
        and re.fullmatch(r"[A-Za-z0-9+/=_.~-]+", value) is not None
    )
