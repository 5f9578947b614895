"""Names of images for users, without those that only Buildr uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.engines.records import short_id
from buildr.plan.fingerprint import is_fingerprint

if TYPE_CHECKING:
    from buildr.engines.records import Image


def own_names(image: Image) -> list[str]:
    """Return an image's names without fingerprints; empty if a newer image has taken them over."""
    return [tag for tag in image.tags if not is_fingerprint(tag, tag.rpartition(":")[0])]


def shown_name(image: Image | None, identity: str) -> str:
    """Return the shown name of an image, or its short id.

    Args:
        image: the image; ``None``: it is no longer stored.
        identity: its id.
    """
    names = own_names(image) if image is not None else []
    return names[0] if names else short_id(identity)
