"""A document about an image that its registry keeps."""

from __future__ import annotations

from msgspec import Struct


class Artifact(Struct, frozen=True, kw_only=True):
    """A document that a registry keeps beside an image."""

    kind: str
    """Its media type."""
    name: str
    """The name of a file with it."""
    data: bytes
