"""Hides secrets in the report of an exception: values of secret variables, and logins in URLs."""

from __future__ import annotations

import contextlib
import json
import os
import re
from typing import TYPE_CHECKING, Any, Final

from buildr.errors import BuildrError
from buildr.host.confidential import is_confidential, logins, without_logins
from buildr.installer.secret_words import words_of
from buildr.plan.env_files import read_env_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from buildr.options import Runtime

__all__ = ["hider"]

_HIDDEN: Final = "****"
_COMMON: Final = re.compile(r"[a-z]{0,7}|[0-9]{0,3}")  # short values such as "true" occur anywhere


def hider(runtime: Runtime, directory: str) -> Callable[[Any], Any]:
    """Return a function that hides the secrets given to a guest, in a document that JSON can represent.

    Args:
        runtime: the options, with the variables.
        directory: the directory of relative paths of env files.
    """
    found = {word for word in _words(runtime, directory) if not _COMMON.fullmatch(word)}
    words = re.compile("|".join(map(_pattern, sorted(found, key=len, reverse=True))))

    def hide(value: Any) -> Any:
        if isinstance(value, str):
            return without_logins(words.sub(_HIDDEN, value) if found else value)
        if isinstance(value, list):
            return [hide(inner) for inner in value]
        if isinstance(value, dict):
            return {key: hide(inner) for key, inner in value.items()}
        return value

    return hide


def _words(runtime: Runtime, directory: str) -> Iterator[str]:
    named = dict(runtime.env)
    with contextlib.suppress(BuildrError):  # they were readable when the guest started
        named = {**read_env_files(runtime.env_file, directory), **named}
    for name, given in named.items():
        value = os.environ.get(name) if given is None else given
        if value and is_confidential(name):
            yield value
            yield from (word.text for word in words_of(name, value, of_host=False))
        elif value:
            yield from logins(value)


def _pattern(word: str) -> str:
    """Return a regular expression that matches a word in plain text and in (nested) Python or JSON string literals."""
    return "".join(map(_character, word))


def _character(character: str) -> str:
    if character == "\\":
        return r"\\+"
    if character in "'\"":
        return r"\\*" + character
    if character.isascii() and character.isprintable():
        return re.escape(character)
    escaped = {repr(character)[1:-1], json.dumps(character)[1:-1]} - {character}
    ways = [re.escape(character), *(r"\\+" + re.escape(way[1:]) for way in sorted(escaped))]
    return f"(?:{'|'.join(ways)})"
