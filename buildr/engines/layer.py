"""A layer that an engine takes without a build, and what else is new in the image that it makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Layer", "Settings"]


class Settings(Struct, frozen=True, kw_only=True):
    """What the last steps of a build set."""

    user: str
    """A uid or a name, perhaps with a colon and a group."""
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    steps: tuple[str, ...]
    """The instructions, for the history."""


class Layer(Struct, frozen=True, kw_only=True):
    """A layer of an image, and what else is new in that image."""

    content: Iterable[bytes]
    """A tar stream, not compressed; consumed once, sent as it comes."""
    size: int
    """Bytes of the whole stream; 0: there is no layer, and the new image differs in the rest alone."""
    created_by: str
    """What made it, for the image's history."""
    labels: Mapping[str, str] = {}
    """Of the new image, beyond those of the image below; an empty value removes one."""
    like: str = ""
    """The id of an image that was built on the one below: the new one has its settings, and its steps in the history; empty:
    those of the image below."""
    settings: Settings | None = None
    """What the new image sets; ``None``: nothing."""
    created: int | None = None
    """When the image was made, in seconds since the epoch, so that it is the same image each time; ``None``: now."""
