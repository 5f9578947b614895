"""Symbolic links that lead out of the context.

They are sent as links, as the engines' own builds do, though in the image they lead elsewhere or nowhere. Those that climb
above the context by their names stay here: engines refuse to unpack them.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

from buildr.context.entries import first_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["climbs", "describe_links", "leaves_context"]


def climbs(path: str, target: str) -> bool:
    """Whether the components of a relative target lead above the context.

    Args:
        path: the link, relative to the context.
        target: what the link says.
    """
    folder = path.rpartition("/")[0]
    return f"{posixpath.normpath(posixpath.join(folder, target))}/".startswith("../")


def describe_links(sent: Sequence[str], left_out: Sequence[str]) -> str:
    """Return a line about links that lead out of the context; empty if there are none.

    Args:
        sent: paths of those that are sent as they are.
        left_out: paths of those that are not.
    """
    kinds = []
    if sent:
        kinds.append(f"sent as links, without what they lead to: {first_of(sent)}")
    if left_out:
        kinds.append(f"left out: {first_of(left_out)}")
    return f"symbolic links out of the context are {'; '.join(kinds)}" if kinds else ""


def leaves_context(root: str, path: str, target: str) -> bool:
    """Whether following a link could end outside ``root``.

    An absolute target always leaves: in the image the context lies elsewhere. A relative one leaves where its
    names climb above the root (engines refuse to unpack that), or where, on this host, they do so by way of
    another link.

    Args:
        root: the context.
        path: the link, relative to it; the folders above it are not links.
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
    # In "name/..", name may itself be a link, and then .. is not the folder that holds name.
    return in_doubt and _really_leaves(root, path, target)


def _really_leaves(root: str, path: str, target: str) -> bool:
    top = os.path.realpath(root)
    real = os.path.realpath(f"{top}/{path.rpartition('/')[0]}/{target}")
    return not f"{real}/".startswith(f"{top.rstrip('/')}/")
