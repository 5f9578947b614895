"""The fingerprint: the digest of everything that determines an image, and the image's name."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr._version import __version__
from buildr.labels import WHEELS
from buildr.plan.containerfile import identity
from buildr.plan.guest_files import guest_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.engines.records import Image
    from buildr.plan.project import Project
    from buildr.plan.sources import Sources

TAG_DIGITS = 32
"""The number of digits in an image's name: 128 bits."""
_GROWN = "-grown"  # ends the tag of an incremental image
_PREPARED = "-prepared"  # ends the tag of an image without the source
_MAKERS = ("archive", "image", "plan")
"""Folders of this package whose code builds images, since two states of a checkout may have the same version."""


class Frame(Struct, frozen=True, kw_only=True):
    """Everything that determines an image, except the context."""

    digest: str
    local_name: str

    def fingerprint(self, tree: str) -> str:
        """Return the digest of everything that determines the image's content.

        Args:
            tree: the digest of the context.
        """
        return hashlib.sha256(f"{self.digest} {tree}".encode()).hexdigest()

    def tag(self, tree: str, *, grown: bool = False) -> str:
        """Return the name of the image of a context."""
        digits = self.fingerprint(tree)[:TAG_DIGITS]
        return f"{self.local_name}:{digits}{_GROWN if grown else ''}"

    @property
    def prepared_tag(self) -> str:
        """The name of the image without a context."""
        return f"{self.local_name}:{self.digest[:TAG_DIGITS]}{_PREPARED}"


def frame(project: Project, sources: Sources, bases: Sequence[Image]) -> Frame:
    """Return everything that determines the image, except the context."""
    parts = [
        __version__,
        _code(),
        identity(project.recipe),
        repr(sources.dockerfile) if project.dockerfile else "",
        *(base.id for base in bases),
        sources.extra_digest,
        repr(
            [
                (file.path, file.data)
                for file in (*project.dependencies.files, *project.dependencies.own)
            ]
        )
        if project.dependencies
        else "",
        repr(guest_files()),
        repr(project.placement.command),
        *([repr(project.package.secrets)] if project.package.secrets else ()),
    ]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return Frame(digest=digest, local_name=project.local_name)


@cache
def _code() -> str:
    """Return the digest of the code that builds images."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = hashlib.sha256()
    for folder in _MAKERS:
        for name in sorted(os.listdir(f"{package}/{folder}")):
            if name.endswith(".py"):
                with open(f"{package}/{folder}/{name}", "rb") as file:
                    found.update(file.read())
    return found.hexdigest()


def is_fingerprint(tag: str, local_name: str) -> bool:
    """Whether a name is a fingerprint of a project's images.

    Args:
        tag: the full name.
        local_name: the name of the project's images, without a tag.
    """
    name, _, version = tag.rpartition(":")
    digits = version.removesuffix(_GROWN).removesuffix(_PREPARED)
    return name == local_name and len(digits) == TAG_DIGITS


def is_prepared(tag: str) -> bool:
    """Whether a fingerprint is that of an image without the source."""
    return tag.endswith(_PREPARED)


def may_serve(image: Image, project: Project) -> bool:
    """Whether an existing image may be used for a project.

    An image that was built with the wheel cache is not published (`buildr.installer.wheels`).
    """
    return not (project.package.publish and WHEELS in image.labels)
