"""Adapts paths in requirements files, so that they have the same meaning in the image as on the host.

pip starts a relative path at the current directory, which is ``/app`` in the image, except the files that ``-r`` and ``-c``
name, and for ``--find-links`` where the folder is beside the file. Requirement files are not in ``/app``, so that
such a path, and an absolute one into the project, is written down as it is in the image.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from buildr.dependencies.files import inside
from buildr.errors import DependencyError
from buildr.layout import APP

if TYPE_CHECKING:
    from buildr.dependencies.model import ProjectFiles

__all__ = ["in_image", "links_in_image", "replaced"]

_FILE_URL = r"(?i)file:(//(?:localhost)?(?=/))?(?=[^\s]*$)"
_EXTRAS = r"\[[^\[\]]*\]$"


def in_image(project: ProjectFiles, location: str, where: str) -> str:
    """Return a path or file URL, which pip starts at the current directory, as it is in the image.

    Args:
        project: the project; the current directory is its context.
        location: as it is written, perhaps with extras.
        where: the file and line.

    Raises:
        DependencyError: a relative path leads out of the context.
    """
    extras = match[0] if (match := re.search(_EXTRAS, location)) else ""
    bare = location.removesuffix(extras)
    url = re.match(_FILE_URL, bare)
    path = unquote(bare[url.end() :]).partition("#")[0] if url else bare
    if not os.path.isabs(path):
        inside(project, os.path.normpath(path), where)
        return location
    relative = _in_context(project, path)
    if relative is None:
        return location  # the image itself may have it
    tail = bare.partition("#")[1] + bare.partition("#")[2] if url else ""
    return _absolute(relative, as_url=bool(url)) + tail + extras


def links_in_image(project: ProjectFiles, location: str, folder: str, where: str) -> str:
    """Return the local value of ``--find-links`` as it is in the image.

    Args:
        project: the project.
        location: as it is written.
        folder: that of the file of requirements, relative to the context.
        where: the file and line.

    Raises:
        DependencyError: a relative path leads out of the context.
    """
    if os.path.isabs(location) or re.match(r"(?i)file:", location):
        return in_image(project, location, where)
    beside = os.path.normpath(os.path.join(folder, location))
    if not os.path.exists(os.path.join(project.context, beside)):
        beside = os.path.normpath(location)
    inside(project, beside, where)
    return _absolute(beside)


def replaced(lines: list[str], first: int, last: int, old: str, new: str, where: str) -> None:
    """Replace a word in some of the lines.

    Args:
        lines: of the file, with their ends.
        first: the index of the first line that may hold it.
        last: that of the last one.
        old: the word.
        new: its replacement.
        where: the file and line, for errors.

    Raises:
        DependencyError: it cannot be found.
    """
    word = rf"(?<![^\s='\"@ef]){re.escape(old)}(?=[\s'\";]|$)"
    for index in range(first, last + 1):
        changed, count = re.subn(word, lambda _: new, lines[index], count=1)
        if count:
            lines[index] = changed
            return
    raise DependencyError(
        f"{where}: the path {old!r} is written in a way that cannot be translated for the image",
        hint="write it as one word in one line, relative to the context",
    )


def _in_context(project: ProjectFiles, path: str) -> str | None:
    for root in (str(project.context), os.path.realpath(project.context)):
        if os.path.commonpath([root, os.path.normpath(path)]) == root:
            return os.path.relpath(path, root)
    return None


def _absolute(relative: str, *, as_url: bool = False) -> str:
    path = os.path.normpath(f"{APP}/{relative}")
    plain = re.fullmatch(r"[\w./+-]+", path, re.ASCII)
    return path if plain and not as_url else f"file://{quote(path)}"
