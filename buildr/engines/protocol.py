"""The interface between Buildr and an engine: narrow protocols, with frozen records on both sides.

A backend is the adapter to one engine. The entry-point group ``buildr.backends`` names functions ``connect(Target) ->
Backend``, which connect to the engine or raise a subclass of `buildr.errors.BackendError`. No exception or object of an
engine's client library crosses this interface.

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

    It is one flat class rather than an object with three parts, so that a backend is just a class with these methods.
    Code asks for the narrowest protocol that it needs (`Images` to list images); protocols are structural, so a test
    can pass a fake with only those methods.
    """


Connect: TypeAlias = Callable[[Target], Backend]
"""What an entry point in the group ``buildr.backends`` names."""
