"""Writes the ignore file of ``buildr eject``, whose source is in a folder of the context.

Engines have neither Buildr's defaults nor its rules for secrets, so both are included.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildr.context.ignore.defaults import DEFAULTS, HISTORIES
from buildr.context.ignore.rules import IgnoreRules
from buildr.context.secret_names import FOLDERS, ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["ignore_text"]

_FOLDER = "context"
_SPECIAL = r"[*?\[\\]"
_ESCAPED = r"\\\g<0>"


def ignore_text(
    own: str | None, *, sent: Iterable[str], held_back: Sequence[str], secrets: bool
) -> str:
    """Return the text of the ignore file.

    Args:
        own: that of the project's, if there is one.
        sent: paths of the source that travel; none of them is left out.
        held_back: paths of the source that were left out as likely secrets.
        secrets: whether such are left out.
    """
    lines = ["# What does not travel: the source is in context/."]
    if own is None or IgnoreRules.parse(own).only_exceptions:
        for reason, names in DEFAULTS:
            lines += [f"# {reason}", *(_anywhere(name) for name in names.split())]
    else:
        lines += [_anywhere(name) for name in sorted(HISTORIES)]
    if own is not None:
        lines += [_inside(line) for line in own.removeprefix("\ufeff").splitlines()]
    if secrets:
        lines += [
            "# likely secrets",
            *_secrets(),
            *(f"{_FOLDER}/{path.rstrip('/')}" for path in held_back),
        ]
    text = "\n".join(lines) + "\n"
    rules = IgnoreRules.parse(text)
    asked = [path for path in sent if rules.excludes(f"{_FOLDER}/{path}")]
    if asked:
        brought = (f"!{_FOLDER}/{re.sub(_SPECIAL, _ESCAPED, path)}" for path in asked)
        text += "\n".join(("# asked for", *brought)) + "\n"
    return text


def _secrets() -> Iterator[str]:
    for row in (*ROWS, *FOLDERS):
        if row.by_name:  # otherwise the name says too little
            # What is an exception would bring back what other lines leave out; what was sent is asked for below.
            yield from (_anywhere(name) for name in row.names.split() if name[0] != "!")


def _anywhere(name: str) -> str:
    return f"{_FOLDER}/**/{name}"


def _inside(line: str) -> str:
    """Turn a pattern that is anchored at the source into one that is anchored above it."""
    pattern = line.strip()
    if not pattern or line.startswith("#"):
        return line
    sign = "!" if pattern.startswith("!") else ""
    pattern = pattern.removeprefix("!").strip().lstrip("/")
    return f"{sign}{_FOLDER}/{pattern}"
