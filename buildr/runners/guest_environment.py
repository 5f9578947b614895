"""The guest's environment in addition to the image's: user variables, terminal, time zone, locale."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from buildr.guest.init import PUBLISHED, RELAY
from buildr.guest.surroundings import LOCALE, TIME_ZONE
from buildr.host.time_zone import named, time_zone
from buildr.layout import GUEST_ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildr.options import Runtime

_LOCALE = ("LANG", "LANGUAGE")  # and every LC_ variable
_MODULE_PATH = "PYTHONPATH"


def guest_environment(runtime: Runtime, directory: str, *, tty: bool) -> dict[str, str]:
    """Return the variables, including those for the guest's first process.

    Args:
        runtime: the options.
        directory: the absolute base directory of relative paths.
        tty: whether the guest gets a terminal.
    """
    environ = os.environ
    found = {
        name: value for name, value in environ.items() if name in _LOCALE or name.startswith("LC_")
    }
    locale = frozenset(found)
    if zone := time_zone(environ):
        found["TZ"] = zone.value
    if tty and "TERM" in environ:
        found["TERM"] = environ["TERM"]
    given = _named(runtime, directory)
    for name, value in given.items():
        if value is not None:
            found[name] = value
        elif name in environ and (name != "TZ" or zone is None):
            found[name] = environ[name]
    if given.get("TZ") is not None:
        zone = named(found["TZ"])
    if _MODULE_PATH in found:  # the guest part is found via this variable
        found[_MODULE_PATH] = f"{found[_MODULE_PATH]}:{GUEST_ROOT}"
    # Variables of the user are not changed.
    if handed_on := sorted(locale.difference(given)):
        found[LOCALE] = " ".join(handed_on)
    if zone is not None and zone.rule is not None:
        found[TIME_ZONE] = zone.rule
    return found | published(runtime)


def published(runtime: Runtime) -> dict[str, str]:
    """Name the published ports for the guest's first process, so that it can look after servers that listen on loopback alone."""
    ports = dict.fromkeys(str(p.container) for p in runtime.ports if p.protocol == "tcp")
    relay = (RELAY,) if runtime.loopback_relay else ()
    return {PUBLISHED: ",".join((*relay, *ports))} if ports else {}


def _named(runtime: Runtime, directory: str) -> Mapping[str, str | None]:
    """Return the variables of the options, including those of files."""
    if not runtime.env_file:
        return runtime.env
    from buildr.plan.env_files import read_env_files

    return {**read_env_files(runtime.env_file, directory), **runtime.env}
