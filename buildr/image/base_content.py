"""The content of a base image at the place of the source.

Usually it is empty. If it has files there, a clean build keeps those without a counterpart in the source, so removing
files on top of the last image would remove too much. If there is no folder, or a volume, engines write to another
place, or lose what they have written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from buildr.archive.header import DIRECTORY
from buildr.errors import EngineError
from buildr.host import cache
from buildr.layout import APP
from buildr.run.helper import helper

if TYPE_CHECKING:
    from buildr.engines.containers import Containers
    from buildr.engines.records import Image

Place: TypeAlias = Literal["free", "filled", "other"]
"""``free``: nothing, or an empty folder; ``filled``: a folder with something in it; ``other``: anything else, or not
known.
"""

_PLACES: tuple[Place, ...] = ("free", "filled", "other")
_KIND = "base-app"
_OFFICIAL = "docker.io/library/python:"


def place_in(backend: Containers, base: Image) -> Place:
    """Return the content of an image at ``/app``; the result is cached."""
    if any(_overlap(volume) for volume in base.volumes):
        return "other"
    if any(tag.startswith(_OFFICIAL) for tag in base.tags):
        return "free"
    name = cache.key(base.id)
    stored = [bytes(part) for part in cache.load(_KIND, name) or ()]
    for place in _PLACES:
        if stored == [place.encode()]:
            return place
    try:
        found = _look(backend, base.id)
    except EngineError:
        return "other"
    cache.store(_KIND, name, found.encode())
    return found


def _overlap(volume: str) -> bool:
    """Whether a volume contains the source, or a part of it."""
    ours, theirs = f"{APP}/", f"{volume.rstrip('/')}/"
    return ours.startswith(theirs) or theirs.startswith(ours)


def _look(backend: Containers, image: str) -> Place:
    from buildr.archive.chunks import closing
    from buildr.archive.reader import ArchiveError, TarReader

    place: Place = "other"
    with helper(backend, image) as container:
        try:
            with closing(backend.get_archive(container, APP)) as chunks:
                for member in TarReader(chunks):
                    if place == "free" or member.kind != DIRECTORY:
                        place = "filled" if place == "free" else "other"
                        break
                    place = "free"
        except ArchiveError:
            return "other"
        except EngineError as error:
            if error.status != 404:
                raise
            return "free"
    return place
