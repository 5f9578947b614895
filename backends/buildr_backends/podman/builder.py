"""Features that older versions of Podman's builder, Buildah, lack.

Podman brings a Buildah with it, so Podman's version decides: 4.3 has Buildah 1.28, 4.8 has 1.33, 5.3 has 1.38, 5.4 has 1.39
and 5.5 has 1.40.
https://github.com/containers/buildah/blob/main/CHANGELOG.md
"""

from __future__ import annotations

from buildr.engines.records import Builder

_SINCE = {
    "here-documents": (4, 8),
    "RUN --network": (4, 8),
    "ADD --checksum": (4, 8),
    "COPY --exclude": (5, 3),
    "ADD --exclude": (5, 3),
    "COPY --link": (5, 4),
    "ADD --link": (5, 4),
    "ADD --keep-git-dir": (5, 4),
    "COPY --parents": (5, 5),
}
_LAST_STAGE_ALONE_SINCE = (4, 3)


def builder(version: tuple[int, int]) -> Builder:
    """Return how a version of Podman builds."""
    return Builder(
        lacks={
            need: f"Podman {since[0]}.{since[1]}"
            for need, since in _SINCE.items()
            if version < since
        },
        all_stages=version < _LAST_STAGE_ALONE_SINCE,
    )
