"""The inputs and the result of a build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.engines.records import Image
    from buildr.plan.fingerprint import Frame
    from buildr.plan.sources import Sources


class Inputs(Struct, frozen=True, kw_only=True):
    """The inputs of a project's image."""

    sources: Sources
    """The files."""
    bases: Sequence[Image]
    """The images that the build starts from."""
    frame: Frame
    """All that decides the image beside the files."""


class Made(Struct, frozen=True, kw_only=True):
    """A built image that is not finished yet."""

    image: str
    """Its id: just built, or finished earlier."""
    bases: Sequence[Image]
    """Its possible base images."""
    name: str
    """The name of the finished image."""
