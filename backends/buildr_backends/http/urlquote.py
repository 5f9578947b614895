"""Percent-encoding of what stands in a request's target (RFC 3986)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUOTED = re.compile(rb"[^A-Za-z0-9_.~-]")
_QUOTED_IN_PATH = re.compile(rb"[^A-Za-z0-9_.~/:@-]")


def quote(text: str) -> str:
    """Quote text for a path, in which ``/``, ``:`` and ``@`` may stand (RFC 3986)."""
    return _percent(_QUOTED_IN_PATH, text)


def encode_query(query: Mapping[str, str]) -> str:
    """Return parameters as they stand behind the ``?``."""
    return "&".join(f"{_percent(_QUOTED, k)}={_percent(_QUOTED, v)}" for k, v in query.items())


def _percent(quoted: re.Pattern[bytes], text: str) -> str:
    # A file name that is no UTF-8 goes as the bytes that it is.
    data = text.encode(errors="surrogateescape")
    return quoted.sub(lambda found: b"%%%02X" % found[0][0], data).decode("ascii")
