"""Sets up what depends on the image before the command starts: locale, time zone, the user's name.

`buildr.guest.init` loads it by its file name, which is why it imports nothing of the package.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # importing typing would cost more than all the rest
if TYPE_CHECKING:
    from typing import Any

LOCALE = "BUILDR_LOCALE"
"""The locale variables passed on by the host, separated by blanks; not passed to the command."""

TIME_ZONE = "BUILDR_TIME_ZONE"
"""The rule of the zone in ``TZ`` in the format of POSIX (``CET-1CEST,M3.5.0,M10.5.0/3``), or empty; not passed to the
command.
"""

_FALLBACK = "C.UTF-8"
_ZONES = ("/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/share/zoneinfo", "/etc/zoneinfo")
_NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")  # in the order in which getpass looks at them
_USER = "app"  # what images of Buildr's call theirs


def settle() -> None:
    """Make the environment fit the image."""
    names = os.environ.pop(LOCALE, "").split()
    if names:
        settle_locale(names)
    rule = os.environ.pop(TIME_ZONE, None)
    if rule is not None:
        settle_time_zone(rule)
    if not any(os.environ.get(name) for name in _NAMES):
        settle_user()


def settle_locale(names: list[str]) -> None:
    """Replace each locale that the image lacks: a program that asks for it would fail, and a shell would complain."""
    import _locale  # `locale` costs a millisecond

    locale: Any = _locale  # type checkers do not know its error

    def exists(value: str) -> bool:
        try:
            locale.setlocale(locale.LC_ALL, value)
        except locale.Error:
            return False
        return True

    for name in names:
        value = os.environ.get(name)
        if not value or name == "LANGUAGE" or exists(value):
            continue
        if exists(_FALLBACK):
            os.environ[name] = _FALLBACK
        else:
            del os.environ[name]


def settle_time_zone(rule: str) -> None:
    """Replace the name of a time zone for which the image has no data by its rule: libc would silently take it for UTC."""
    zone = os.environ.get("TZ", "").lstrip(":")
    folders = (os.environ.get("TZDIR", ""), *_ZONES)
    if not zone or any(os.path.isfile(os.path.join(folder, zone)) for folder in folders if folder):
        return
    if rule:
        os.environ["TZ"] = rule
        return
    sys.stderr.write(
        "buildr: the image has no data for the time zone %s, so local time is UTC:"
        " install tzdata, with system_packages for example\n" % zone
    )
    sys.stderr.flush()


def settle_user() -> None:
    """Name the user if the image does not have the uid; otherwise `getpass.getuser` fails."""
    try:
        import pwd

        pwd.getpwuid(os.getuid())
    except (ImportError, KeyError):
        os.environ["LOGNAME"] = os.environ["USER"] = _USER
