"""Environment variables of the guest: ``env=``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from buildr.options.errors import InvalidValueError
from buildr.options.values import text

__all__ = ["RESERVED", "environment"]

RESERVED = ("BUILDR_IN_CONTAINER", "METAPARTICLE_IN_CONTAINER")
"""The two that tell a script that it is in a container; options cannot override them."""

_ACCEPTS = (
    'a dict such as {"NAME": "value"}, where None as value passes the host\'s on, or a list such as'
    ' ["NAME=value", "NAME"]'
)
_NAME = "a variable's name, without '=' and control characters"
_VALUE = "text, or None to pass the host's value on"


def environment(value: object) -> dict[str, str | None]:
    """Read the option ``env``. No error shows a value, as it may be a secret.

    Raises:
        InvalidValueError: it is neither a dict nor a list, a name is invalid or reserved, or a value is not text.
    """
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        pairs = (item.partition("=") for item in value)  # the equivalent of None in TOML
        value = {name: text if equals else None for name, equals, text in pairs}
    if not isinstance(value, Mapping):
        raise InvalidValueError(value, _ACCEPTS, secret=True)
    found: dict[str, str | None] = {}
    for key, item in value.items():
        name = text(key, _NAME)
        if not name or "=" in name:
            raise InvalidValueError(key, _NAME)
        if name in RESERVED:
            raise InvalidValueError(
                key, _NAME, problem="it is reserved: images that Buildr builds set it"
            )
        found[name] = None if item is None else _value(name, item)
    return found


def _value(name: str, value: object) -> str:
    """Read a value. It may contain line breaks, since it is sent in a request and never written to a file."""
    where = f"[{name!r}]"
    if not isinstance(value, str):
        raise InvalidValueError(value, _VALUE, path=(where,), secret=True)
    if "\0" in value:
        raise InvalidValueError(
            value, _VALUE, problem="it contains a NUL character", path=(where,), secret=True
        )
    if re.search(r"[\ud800-\udfff]", value):
        problem = "it cannot be written as UTF-8"
        raise InvalidValueError(value, _VALUE, problem=problem, path=(where,), secret=True)
    return str.__str__(value)
