"""Files that the guest writes and that are copied to the project: patterns below the context."""

from __future__ import annotations

import posixpath

from buildr.layout import APP
from buildr.options.errors import InvalidValueError
from buildr.options.values import each, text

__all__ = ["outputs"]

_ACCEPTS = 'a pattern below the project such as "out/*.csv" or "reports/**", or a list of patterns'


def outputs(value: object) -> tuple[str, ...]:
    """Read the option ``outputs``; patterns are cleaned, and relative to the context.

    Raises:
        InvalidValueError: one is empty, or leads out of the context.
    """
    if isinstance(value, str):
        return (_pattern(value),)
    return tuple(each(value, _pattern, _ACCEPTS))


def _pattern(value: object) -> str:
    given = text(value, _ACCEPTS)
    found = posixpath.normpath(given.removeprefix(f"{APP}/")) if given else ""
    if not found or found.startswith(("/", "!", "../")) or found == "..":
        raise InvalidValueError(value, _ACCEPTS)
    return "**" if found == "." else found
