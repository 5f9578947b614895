"""Whether a symbolic link leads out of the context."""

from __future__ import annotations

import os

__all__ = ["leaves_context"]


def leaves_context(root: str, path: str, target: str) -> bool:
    """Say whether following a link could end outside of ``root``.

    An absolute target always leaves: in the image the context lies elsewhere. A relative one leaves where its
    names climb above the root (engines refuse to unpack that), or where, on this host, they do so by way of
    another link.

    Args:
        root: the context.
        path: the link, relative to it; the folders above it are no links.
        target: what the link says.
    """
    if target.startswith("/"):
        return True
    depth = path.count("/")
    went_down = in_doubt = False
    for part in target.split("/"):
        if part == "..":
            depth -= 1
            if depth < 0:
                return True
            in_doubt = in_doubt or went_down
        elif part not in {"", "."}:
            depth += 1
            went_down = True
    # In "name/..", name may itself be a link, and then .. is not the folder that name stands in.
    return in_doubt and _really_leaves(root, path, target)


def _really_leaves(root: str, path: str, target: str) -> bool:
    top = os.path.realpath(root)
    real = os.path.realpath(f"{top}/{path.rpartition('/')[0]}/{target}")
    return not f"{real}/".startswith(f"{top.rstrip('/')}/")
