"""Resolves the files of the options ``additional_files`` and ``dockerfile`` on the host."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.errors import ContextError

if TYPE_CHECKING:
    from buildr.options import PackageFile

_USTAR_NAME = 100  # bytes
_PATTERN = r"[*?[\\]"


class ExtraFile(Struct, frozen=True, kw_only=True):
    """An additional file or directory on the host."""

    source: str
    """The absolute path, with links resolved."""
    name: str
    """The name of the file in the build; empty for a directory."""
    destination: str
    """Ends with ``/`` if it is a directory for the file."""
    mode: int | None


def find_file(file: PackageFile, context: str) -> ExtraFile:
    """Resolve an additional file on the host.

    Args:
        file: the option.
        context: the absolute base directory of a relative source.

    Raises:
        ContextError: it does not exist, cannot travel, or leads out of the context with a relative path.
    """
    named = os.path.expanduser(file.src)
    path = os.path.realpath(os.path.join(context, named))
    if not os.path.exists(path):
        raise ContextError(
            f"the additional file {file.src} is not there",
            hint=f"It was looked for at {path}; a relative src starts at the context {context}.",
        )
    if not os.path.isdir(path) and not os.path.isfile(path):
        raise ContextError(
            f"the additional file {file.src} is neither a file nor a directory",
            hint="FIFOs, sockets and devices cannot travel.",
        )
    inside = os.path.realpath(context)
    if not os.path.isabs(named) and path != inside and not path.startswith(inside + "/"):
        raise ContextError(
            f"the additional file {file.src} leads out of the context, to {path}",
            hint="If that is intended, give its absolute path.",
        )
    name, destination = _staged(os.path.basename(named.rstrip("/")), file.dest)
    if os.path.isdir(path):
        name, destination = "", file.dest
    return ExtraFile(
        source=path,
        name=name,
        destination=destination,
        mode=int(file.mode, 8) if file.mode is not None else None,
    )


def _staged(name: str, destination: str) -> tuple[str, str]:
    """Return a file's name in the build, and where its folder there or, without a final slash, itself goes.

    Buildah takes paths for patterns once more, and cannot give a file a name that has no place in the header of a
    tar archive of 1988 (ustar). Such a name it gets in the build.
    """
    leaf = os.path.basename(destination)
    if leaf and (len(leaf) > _USTAR_NAME or not leaf.isascii() or re.search(_PATTERN, leaf)):
        return leaf, destination.removesuffix(leaf)
    if leaf and re.search(_PATTERN, name):
        return "file", destination
    return name, destination


def find_dockerfile(named: str | None, context: str) -> str | None:
    """Return the absolute path of the user's own Containerfile, if the options name one.

    Raises:
        ContextError: it does not exist.
    """
    if named is None:
        return None
    path = os.path.join(context, os.path.expanduser(named))
    if not os.path.isfile(path):
        problem = "is not a regular file" if os.path.exists(path) else "is not there"
        raise ContextError(
            f"the dockerfile {named} {problem}",
            hint=f"It was looked for at {path}; a relative path starts at the context.",
        )
    return path
