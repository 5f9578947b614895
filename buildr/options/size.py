"""Sizes: ``512m``, ``1.5GiB``, or a number of bytes."""

from __future__ import annotations

import re

from buildr.options.errors import InvalidValueError
from buildr.options.values import text, typed

__all__ = ["ACCEPTS", "parse_bytes"]

ACCEPTS = (
    'a size such as "512m", "1.5GiB" or a number of bytes (units: b, k, m, g, t, p; powers of 1024)'
)

_SIZE = r"([0-9]{1,19})(?:\.([0-9]{1,9}))? ?(?:([kmgtp])(?:i?b)?|b)?"
_POWERS = "kmgtp"
_MOST = 2**63 - 1
"""Both engines keep a size as a signed number of 64 bits."""


def parse_bytes(value: str | int) -> int:
    """Return a size in bytes.

    The units are those of docker's and podman's ``--memory`` (docker/go-units, ``RAMInBytes``): powers of
    1024 in either case, with or without ``b`` or ``ib`` after them.

    Args:
        value: a number of bytes, or text.

    Raises:
        OptionError: it is not a size, is negative, or is larger than 2**63 - 1 bytes.
    """
    if isinstance(value, str):
        match = re.fullmatch(_SIZE, text(value, ACCEPTS).lower(), re.ASCII)
        if match is None:
            raise InvalidValueError(value, ACCEPTS).of("a size")
        whole, fraction, unit = match.groups()
        fraction = fraction or ""
        factor: int = 1 << 10 * (_POWERS.index(unit) + 1) if unit else 1
        scale: int = 10 ** len(fraction)
        size = int(whole + fraction) * factor // scale
    else:
        size = int(typed(value, int, ACCEPTS))
    if not 0 <= size <= _MOST:
        raise InvalidValueError(value, ACCEPTS).of("a size")
    return size
