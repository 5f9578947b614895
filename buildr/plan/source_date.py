"""The date of an image, which does not depend on when it is built.

https://reproducible-builds.org/specs/source-date-epoch/
"""

from __future__ import annotations

import os
import re

from buildr.archive.header import LAST_TIME, MTIME
from buildr.errors import BuildError

VARIABLE = "SOURCE_DATE_EPOCH"
_LATEST = 253402300799  # the end of the year 9999, which is the last that RFC 3339 can write


def named_date() -> int | None:
    """Return what ``SOURCE_DATE_EPOCH`` says, in seconds since the epoch; ``None`` where it is not set.

    Raises:
        BuildError: it is not such a number.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return None
    if not re.fullmatch("[0-9]{1,12}", text) or int(text) > _LATEST:
        raise BuildError(
            f"{VARIABLE} is {text!r}, which is not a number of seconds since 1970",
            hint=f"Set it to a whole number, e.g. {VARIABLE}=$(git log -1 --format=%ct), or unset it.",
        )
    return int(text)


def times() -> tuple[int, int]:
    """Return the maximum time of files in an image, and the time of its folders and links, in seconds since the epoch.

    They do not depend on the commit, and so neither do layers.

    Raises:
        BuildError: as `named_date`.
    """
    date = named_date()
    return (LAST_TIME, MTIME) if date is None else (min(LAST_TIME, date), min(MTIME, date))


FIXED = MTIME
"""Where nothing says when the source was written."""
