"""The time zone of this machine, by its name and by its rule.

In an image without time zone data, libc takes an unknown name for UTC. The rule is the last line of a zone's file (RFC
8536, section 3.3), in the form of POSIX, which libc understands without any data.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCAL = "/etc/localtime"
"""The machine's zone: a link to a zone file, or a copy of one."""

_FOLDERS = ("/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/share/zoneinfo", "/etc/zoneinfo")
_MIDDLE = "/zoneinfo/"
_UTC = ("Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", "UTC", "UCT", "Universal", "Zulu")
_MOST_BYTES = 1 << 20  # the maximum size of a zone file; they have a few thousand bytes


class TimeZone(Struct, frozen=True):
    """The time zone of a guest."""

    value: str
    rule: str | None = None
    """The rule of the zone that `value` names, in the form of POSIX; empty if unknown; ``None``: `value` is not the
    name of a zone.
    """


def time_zone(environ: Mapping[str, str]) -> TimeZone | None:
    """Return the time zone of this environment; ``None`` if none is set, which means UTC.

    Args:
        environ: the environment; without ``TZ`` it is the machine's zone.
    """
    if "TZ" in environ:
        value = environ["TZ"]
        name = value.removeprefix(":")
        return _of_file(name, value) if name.startswith("/") else named(value)
    found = _of_file(LOCAL, "")
    return None if found is None or found.value in ("", "UTC0", *_UTC) else found


def named(value: str) -> TimeZone:
    """Return the zone of a ``TZ`` that is not a path."""
    name = value.removeprefix(":")
    for folder in _FOLDERS:
        if name and ".." not in name and os.path.isfile(path := f"{folder}/{name}"):
            return TimeZone(value, _rule(path))
    # A rule has an offset, and so a digit; names without a digit are names of zones, or mean UTC.
    is_name = name not in _UTC and ("/" in name or not any(map(str.isdigit, name)))
    return TimeZone(value, "" if name and is_name and name != "GMT" else None)


def _of_file(path: str, otherwise: str) -> TimeZone | None:
    """Return the zone of a file of this machine, whose path the guest may not have."""
    real = os.path.realpath(path)
    if not os.path.isfile(real):
        return TimeZone(otherwise) if otherwise else None
    rule = _rule(real)
    _, middle, name = real.partition(_MIDDLE)
    if not middle:
        return TimeZone(rule) if rule else None
    for variant in ("posix/", "right/"):
        name = name.removeprefix(variant)
    return TimeZone(name, rule)


def _rule(path: str) -> str:
    """Return the last line of a zone file; empty if it has none."""
    try:
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES)
    except OSError:
        return ""
    if not data.startswith(b"TZif") or data[4:5] < b"2" or not data.endswith(b"\n"):
        return ""
    return data[:-1].rpartition(b"\n")[2].decode("ascii", "replace")
