"""The guest part and what an image sets as one layer on top of what comes before, without a build.

All of it is known: the files, and the settings that the last steps of the Containerfile make. Only how the folders above are in the base
image is not, as an engine takes those of the uppermost layer; a container tells, once for each base.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from buildr.archive.header import BLOCK
from buildr.archive.tar import Member, pack
from buildr.engines.layer import Layer, Settings
from buildr.engines.records import Event
from buildr.errors import BuildError, ContainerError, EngineError, EngineLostError
from buildr.host import cache, temporary
from buildr.host.guard import Guard
from buildr.image.secret_values import lookout
from buildr.installer.ground import LABEL as GROUND
from buildr.installer.normalised import read_paths
from buildr.layout import ENTRYPOINT, GUEST_ROOT
from buildr.plan.containerfile import Additions, labels_of, last_steps
from buildr.plan.staging import guest_parts

if TYPE_CHECKING:
    from buildr.engines.progress import Progress
    from buildr.engines.protocol import Backend
    from buildr.engines.records import Image
    from buildr.image.stamp import Stamp
    from buildr.plan.project import Project

__all__ = ["folders_of", "with_guest"]

_KIND = "base-folders"
_ABOVE = ("/usr", "/usr/local", os.path.dirname(GUEST_ROOT))


def folders_of(backend: Backend, base: Image) -> bytes:
    """Return the beginning of an archive: the folders above the guest part, as they are in a base image.

    It is empty where they are something else, or cannot be read. The engine is asked only once.
    """
    name = cache.key(base.id, *_ABOVE)
    for part in cache.load(_KIND, name) or ():
        return bytes(part)
    adds = Additions(alone=_ABOVE, whole=(), links=())
    try:
        with temporary.folder() as folder, Guard(temporary.__name__, folder):
            path = f"{folder}/folders.tar"
            read_paths(backend, base.id, adds, path)
            with open(path, "rb") as file:
                found = file.read().rstrip(b"\0")
    except EngineLostError:
        raise
    except (BuildError, ContainerError, EngineError):
        return b""
    found += bytes(-len(found) % BLOCK)
    cache.store(_KIND, name, found)
    return found


def with_guest(
    backend: Backend, project: Project, folders: bytes, stamp: Stamp, progress: Progress
) -> str | None:
    """Return the id of a project's image without the source; ``None`` where the engine refuses.

    Args:
        backend: the engine.
        project: whose base image has all that comes before the guest part.
        folders: from `folders_of`.
        stamp: what the image says about itself.
        progress: receives the events.
    """
    recipe = project.recipe
    parts = [
        Member(path=f"{GUEST_ROOT.lstrip('/')}/{part.path}", data=part.data, mode=part.mode)
        for part in guest_parts(project)
    ]
    above = (path.lstrip("/") for path in _ABOVE)
    content = (folders, *pack(parts, lookout=lookout(project), folders=above))
    copy, *steps = last_steps(recipe)
    layer = Layer(
        content=content,
        size=sum(map(len, content)),
        created_by=copy,
        labels={GROUND: "", **labels_of(recipe), **stamp.labels},
        settings=Settings(
            user=f"{recipe.user}:0",
            entrypoint=ENTRYPOINT,
            command=recipe.command,
            steps=tuple(steps),
        ),
        created=stamp.created,
    )
    progress(Event(kind="step", text=copy, current=1, total=1))
    try:
        return backend.append(recipe.base_image, layer, progress)
    except EngineLostError:
        raise
    except EngineError as error:  # a build may still do
        progress(Event(kind="log", text=f"{error.what}: {error.message}"))
        return None
