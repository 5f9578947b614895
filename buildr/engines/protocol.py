"""The interface between Buildr and an engine: narrow protocols, with frozen records on both sides.

A backend is the adapter to one engine. It is found through the entry-point group ``buildr.backends``: the entry point
names a function ``connect(Target) -> Backend``, which reaches the engine or raises one of the errors below
`buildr.errors.BackendError`. No exception and no object of an engine's own client crosses this interface.

Sizes are bytes and durations seconds everywhere. An image id is ``sha256:`` and 64 hexadecimal digits; a container id is
64 hexadecimal digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from buildr.engines.containers import Containers
from buildr.engines.images import Images
from buildr.engines.records import Target
from buildr.engines.volumes import Volumes

__all__ = ["Backend", "Connect"]


class Backend(Images, Containers, Volumes, Protocol):
    """An engine that offers everything: images, containers and volumes.

    It is one flat class, rather than an object with three parts, so that a backend is a class with these methods and nothing
    has to be passed on from one object to another. Protocols are structural: code asks for the narrowest that it needs
    (`Images` to list images), every backend fits, and so does a stand-in for a test with those methods alone.
    """


Connect: TypeAlias = Callable[[Target], Backend]
"""What an entry point in the group ``buildr.backends`` names."""
