"""Which anonymous volumes of a Podman container were made for it.

libpod removes with a container every volume of it that was ever made without a name and that no other container has: also
one that outlived the container it was made for, and was mounted by its id. Docker leaves those.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NamedTuple

__all__ = ["Mounted", "is_own", "read_mounted"]

_ID = re.compile(r"[0-9a-f]{64}")


class Mounted(NamedTuple):
    """The mounts of a container that may be anonymous volumes."""

    created: str
    """When the container was created, as RFC 3339 has it."""
    volumes: tuple[str, ...]
    """Names that are ids."""


def read_mounted(found: Any) -> Mounted:
    """Read a container's inspection."""
    names = (
        row.get("Name") or "" for row in found.get("Mounts") or () if row.get("Type") == "volume"
    )
    volumes = tuple(filter(_ID.fullmatch, names))
    return Mounted(found["Created"] if volumes else "", volumes)


def is_own(volume: Any, created: str) -> bool | None:
    """Tell whether a volume was made for a container; ``None`` where it is not anonymous, so that libpod leaves it.

    A container's anonymous volumes are made after it: libpod/runtime_ctr.go, setupContainer.

    Args:
        volume: its inspection.
        created: when the container was created, as RFC 3339 has it.
    """
    if not volume.get("Anonymous"):
        return None
    return datetime.fromisoformat(volume["CreatedAt"]) >= datetime.fromisoformat(created)
