"""Consent: what a project's file may do without a question, and how the user is asked for the rest.

The file may request files in its own folder, and a private network; the rest needs the user's consent: on a terminal,
by ``--trust``, or by ``BUILDR_TRUST=1``. Consent is stored for this project and this list; a longer list needs new
consent.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from buildr.errors import OptionError, TrustError
from buildr.host import cache, console

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildr.config.layers import Reach, Settings

__all__ = [
    "BEYOND",
    "IGNORE_VARIABLE",
    "TRUST_VARIABLE",
    "allow",
    "is_allowed",
    "is_set",
    "listed",
]

TRUST_VARIABLE = "BUILDR_TRUST"
IGNORE_VARIABLE = "BUILDR_NO_PROJECT_CONFIG"

BEYOND = "more than its own folder and a private network"

_KIND = "trust"
_LONGEST = 40
"""Lines that people can be expected to read before they say yes."""
_HOW = (
    "If you trust this project, say so once: --trust, or BUILDR_TRUST=1. Without the options of this file:"
    " --no-project-config, or BUILDR_NO_PROJECT_CONFIG=1."
)
_lock = threading.Lock()  # calls from several threads ask once
_known: set[str] = set()
"""What was allowed or shown in this process, even if nothing can be stored."""


def allow(settings: Settings) -> None:
    """Ask the user for consent to the requests of the project's file, unless it was given before.

    The decorator is code and needs no consent; its requests are shown at the first run.

    Args:
        settings: the effective options.

    Raises:
        TrustError: the user does not agree, or there is no terminal; the error lists the requests.
        OptionError: ``BUILDR_TRUST`` is neither true nor false.
    """
    if not (settings.asks or settings.shows):
        return
    with _lock:
        _show(settings)
        if settings.asks and not is_allowed(settings):
            _ask(settings)
            _keep(_key(settings.file, settings.asks))


def is_allowed(settings: Settings) -> bool:
    """Whether the user has agreed to exactly this before, so that nothing needs to be asked."""
    return not settings.asks or _is_kept(_key(settings.file, settings.asks))


def is_set(variable: str) -> bool | None:
    """Return the value of the variable; ``None`` if it is empty or not set.

    Raises:
        OptionError: it is neither true nor false.
    """
    value = os.environ.get(variable, "").lower()
    if value in ("", "1", "true", "0", "false"):
        return value in ("1", "true") if value else None
    raise OptionError(f"{variable} cannot be {value!r}", hint="accepted: true or false, 1 or 0")


def listed(asked: Iterable[Reach], prefix: str = "tool.buildr.") -> str:
    """Return the requests, a line each."""
    return "\n".join(f"  {prefix}{one.option}: {one.what}" for one in asked)


def _ask(settings: Settings) -> None:
    """Ask for consent.

    Raises:
        TrustError: the answer is not yes, or there is no terminal.
    """
    said = is_set(TRUST_VARIABLE)
    if settings.trusted or said:
        return
    from buildr.host.question import agreed, can_ask

    what = f"{settings.file} asks for {BEYOND}"
    list_of_it = listed(settings.asks)
    if said is None and can_ask() and len(settings.asks) <= _LONGEST:
        if agreed(
            f"{what}:\n{list_of_it}\nAllow it to this project, until it asks for something else?"
        ):
            return
        raise TrustError(f"what {settings.file} asks for was not allowed", hint=_HOW)
    raise TrustError(f"{what}, and you have not allowed it", hint=f"{list_of_it}\n{_HOW}")


def _show(settings: Settings) -> None:
    """Show the requests of the decorator, once for each project and list."""
    if not settings.shows or settings.package.quiet:
        return
    key = _key(settings.project, settings.shows)
    if not _is_kept(key):
        console.say(f"the decorator asks for {BEYOND} (said once):\n{listed(settings.shows, '')}")
        _keep(key)


def _key(place: str, asked: Iterable[Reach]) -> str:
    return cache.key(
        _KIND, os.path.realpath(place), *(part for one in asked for part in (one.option, one.what))
    )


def _is_kept(key: str) -> bool:
    return key in _known or cache.load(_KIND, key) is not None


def _keep(key: str) -> None:
    _known.add(key)
    cache.store(_KIND, key, b"yes")
