"""Additional files in the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.options.errors import Accepts, InvalidValueError
from buildr.options.reading import record
from buildr.options.values import container_path, each, matching, path, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["PackageFile", "additional_files"]

_ACCEPTS = Accepts(
    '"src:dest" or "src:dest:mode", such as "settings.toml:/etc/settings.toml:0440"',
    'PackageFile(src, dest, mode), or a dict {"src": …, "dest": …, "mode": …}',
)
_LIST = f"a list of files; each {_ACCEPTS}"
_SRC = "the path of a file or directory, absolute or relative to the context"
_DEST = "an absolute path inside the container, without '..'; with a final / the directory that a file goes into"
_MODE = 'three or four octal digits as text, such as "0400"'


class PackageFile(Struct, frozen=True):
    """A file or directory of the host to copy into the image.

    Attributes:
        src: where it is, absolute or relative to the context.
        dest: where it goes, an absolute path inside the container. Where that is a directory of the image, or ends with ``/``,
            a file keeps its name in it; the contents of a directory go into ``dest``.
        mode: its permissions, octal digits as text such as ``"0400"``; ``None``: those that it has.
    """

    src: str
    dest: str
    mode: str | None = None


def _dest(value: object) -> str:
    given = text(value, _DEST)
    found = container_path(given, _DEST)
    if any(part.startswith(".wh.") for part in found.split("/")):
        problem = "a name that begins with .wh. means, in an image, that a file is deleted"
        raise InvalidValueError(value, _DEST, problem=problem)
    return f"{found}/" if given.endswith("/") else found


_READERS: dict[str, Callable[[Any], str]] = {
    "src": lambda value: path(value, _SRC),
    "dest": _dest,
    "mode": lambda value: matching(value, "[0-7]{3,4}", _MODE),
}


def additional_files(value: object) -> tuple[PackageFile, ...]:
    """Read the option ``additional_files``.

    Raises:
        InvalidValueError: it is not a list of files, or two of them have one destination.
    """
    files = tuple(each(value, _file, _LIST))
    # For each destination, whether it is a directory, which takes any number of files.
    shared: dict[str, bool] = {}
    for index, file in enumerate(files):
        place, is_directory = file.dest.rstrip("/"), file.dest.endswith("/")
        if place in shared and not (shared[place] and is_directory):
            problem = "two files go there"
            raise InvalidValueError(file.dest, _DEST, problem=problem, path=(index, ".dest"))
        shared[place] = is_directory
    return files


def _file(value: object) -> PackageFile:
    if isinstance(value, str):
        parts = text(value, _ACCEPTS).split(":")
        if len(parts) not in {2, 3}:
            problem = "a path that contains a colon needs the dict" if len(parts) > 3 else ""
            raise InvalidValueError(value, _ACCEPTS, problem=problem)
        value = dict(zip(("src", "dest", "mode"), parts, strict=False))
    return PackageFile(
        **record(value, PackageFile, _READERS, required=("src", "dest"), accepts=_ACCEPTS)
    )
