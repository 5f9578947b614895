"""Which of Docker's two builders builds a user's own Containerfile, and which features it lacks.

BuildKit is part of every Docker that Buildr supports. The user, with ``DOCKER_BUILDKIT=0``, or the daemon, with
``features.buildkit`` in its configuration, can choose the classic builder instead, as for Docker's own command.
"""

from __future__ import annotations

import os

from buildr.engines.records import Builder

BUILDKIT = "BuildKit"
_CLASSIC = "Docker's classic builder"
# Of the built-in Dockerfile frontend; the one that `# syntax=` names may support more.
_SINCE = {
    "here-documents": 23,
    "RUN --network": 23,
    "COPY --link": 23,
    "ADD --link": 23,
    "ADD --checksum": 25,
    "ADD --keep-git-dir": 25,
}
_BUILDKIT_ALONE = (
    *("RUN --mount", "RUN --security", "RUN --device"),
    *("COPY --chmod", "COPY --exclude", "COPY --parents"),
    *("ADD --chmod", "ADD --exclude", "ADD --unpack"),
)


def builder(version: str, announced: str) -> Builder:
    """Return how a Docker engine builds.

    Args:
        version: of the engine.
        announced: the header ``Builder-Version`` of its answer to a ping.
    """
    if is_classic(announced):
        lacks = dict.fromkeys((*_SINCE, *_BUILDKIT_ALONE), BUILDKIT)
        return Builder(name=_CLASSIC, lacks=lacks, all_stages=True)
    major = version.partition(".")[0]
    number = int(major) if major.isdecimal() else max(_SINCE.values())
    return Builder(
        name=f"{BUILDKIT} in Docker {version}",
        lacks={need: f"Docker {since}" for need, since in _SINCE.items() if number < since},
        frontends=True,
    )


def is_classic(announced: str) -> bool:
    """Whether the classic builder is chosen: by the user, else by the daemon."""
    chosen = os.environ.get("DOCKER_BUILDKIT", "").strip().lower()
    if chosen in ("1", "true", "t"):
        return False
    return chosen in ("0", "false", "f") or announced == "1"
