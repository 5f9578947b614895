"""The fingerprint: the digest of everything that decides an image, and the name by which it is found again."""

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
"""Digits of a fingerprint in the name of an image: 128 bits."""
_GROWN = "-grown"  # ends the tag of an image that grew by deltas
_PREPARED = "-prepared"  # ends the tag of one that the source is still to come on
_MAKERS = ("archive", "image", "plan")
"""Folders of this package whose code makes images. Two states of a checkout may have one version."""


class Frame(Struct, frozen=True, kw_only=True):
    """All that decides an image, except the context."""

    digest: str
    local_name: str

    def fingerprint(self, tree: str) -> str:
        """Return the digest of all that decides the image's content.

        Args:
            tree: the digest of the context.
        """
        return hashlib.sha256(f"{self.digest} {tree}".encode()).hexdigest()

    def tag(self, tree: str, *, grown: bool = False) -> str:
        """Return the name by which the image of a context is found again."""
        digits = self.fingerprint(tree)[:TAG_DIGITS]
        return f"{self.local_name}:{digits}{_GROWN if grown else ''}"

    @property
    def prepared_tag(self) -> str:
        """The name by which the image below any context is found again."""
        return f"{self.local_name}:{self.digest[:TAG_DIGITS]}{_PREPARED}"


def frame(project: Project, sources: Sources, bases: Sequence[Image]) -> Frame:
    """Return everything but the context that decides the image."""
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
    """Return the digest of the code that makes images."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = hashlib.sha256()
    for folder in _MAKERS:
        for name in sorted(os.listdir(f"{package}/{folder}")):
            if name.endswith(".py"):
                with open(f"{package}/{folder}/{name}", "rb") as file:
                    found.update(file.read())
    return found.hexdigest()


def is_fingerprint(tag: str, local_name: str) -> bool:
    """Whether a name of an image is one by which a project's images are found again.

    Args:
        tag: the whole name.
        local_name: that of the project's images, without a tag.
    """
    name, _, version = tag.rpartition(":")
    digits = version.removesuffix(_GROWN).removesuffix(_PREPARED)
    return name == local_name and len(digits) == TAG_DIGITS


def is_prepared(tag: str) -> bool:
    """Whether a name that is a fingerprint is that of an image without the source."""
    return tag.endswith(_PREPARED)


def may_serve(image: Image, project: Project) -> bool:
    """Whether an image that is found again may be used for a project.

    An image that the cache of wheels took part in is not published (`buildr.installer.wheels`).
    """
    return not (project.package.publish and WHEELS in image.labels)
