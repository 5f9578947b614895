"""The networks of the container: ``"backend"``, ``"backend:alias=db"``, ``"none"``, ``"host"``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from buildr.options.errors import Accepts, InvalidValueError
from buildr.options.reading import record
from buildr.options.values import each, matching, refuse_repeated, text

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MODES", "Network", "networks"]

MODES = ("none", "host")
"""Values that can be given instead of networks, and only alone."""
_ACCEPTS = '"none", "host", or the name of a network of the engine'
_ITEM = Accepts('"name", "name:alias=db"', 'a dict {"name": …, "aliases": […]}')
_LIST = f"{_ACCEPTS}; or a list of networks, each {_ITEM}"
_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}"
_ALIAS = "a name for this container in that network: letters, digits, and _ . - (not first)"
_OWN = ("bridge", "default", "private", "slirp4netns", "pasta")
"""Words that one engine takes for its default network, and the other for the name of a network."""


class Network(Struct, frozen=True):
    """A network that the container joins.

    Attributes:
        name: the engine's name for it; or ``none`` or ``host``.
        aliases: further names by which others in that network find the container.
    """

    name: str
    aliases: tuple[str, ...] = ()


def networks(value: object) -> tuple[Network, ...]:
    """Read the option ``network``: one or several.

    Raises:
        InvalidValueError: it is not a network, one is given twice, or ``none`` or ``host`` is not alone.
    """
    if isinstance(value, (str, Mapping, Network)):
        return (_network(value, _ACCEPTS),)
    found = tuple(each(value, lambda item: _network(item, _ITEM), _LIST))
    refuse_repeated((item.name for item in found), _ITEM, "it is given twice")
    for item in found:
        if item.name in MODES and len(found) > 1:
            raise InvalidValueError(
                value, _LIST, problem=f"{item.name!r} cannot be combined with others"
            )
    return found


def _network(value: object, accepts: str) -> Network:
    if isinstance(value, str):
        name, colon, rest = text(value, accepts).partition(":")
        aliases = [word.partition("=") for word in rest.split(",")] if colon else []
        if any(key != "alias" or not alias for key, _, alias in aliases):
            raise InvalidValueError(
                value, _ITEM, problem="the name can be followed by alias=… only"
            )
        found = Network(_name(name), tuple(_alias(alias) for _, _, alias in aliases))
    else:
        found = Network(**record(value, Network, _READERS, required=("name",), accepts=_ITEM))
    if found.name in MODES and found.aliases:
        raise InvalidValueError(value, accepts, problem=f"{found.name!r} cannot have aliases")
    return found


def _name(value: object) -> str:
    name = matching(value, _NAME, _ACCEPTS)
    if name in _OWN:
        raise InvalidValueError(
            value,
            f"{_ACCEPTS}; left out, the engine's default",
            problem="it means different things to different engines",
        )
    return name


def _alias(value: object) -> str:
    return matching(value, _NAME, _ALIAS)


_READERS: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "aliases": lambda value: tuple(each(value, _alias, f"a list, each {_ALIAS}")),
}
