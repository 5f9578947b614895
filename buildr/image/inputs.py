"""What an image is built from, and what a build has made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.engines.records import Image
    from buildr.plan.fingerprint import Frame
    from buildr.plan.sources import Sources


class Inputs(Struct, frozen=True, kw_only=True):
    """What a project's image is built from."""

    sources: Sources
    """The files."""
    bases: Sequence[Image]
    """The images that the build starts from."""
    frame: Frame
    """All that decides the image beside the files."""


class Made(Struct, frozen=True, kw_only=True):
    """An image that is to be finished."""

    image: str
    """Its id: as it was built, or as it was finished before."""
    bases: Sequence[Image]
    """The images that it may be built on."""
    name: str
    """That the finished image gets."""
