"""Incremental builds: small changes are applied on top of the last image, instead of a clean build.

Two ways, both measured (docs/performance.md). Files are put into the created container before it starts: the quickest, as
no image is made, but it takes a little on every run, and can neither remove a file nor write where nothing may be
written or something is mounted. Or an image is built from the last one: it costs more, once, and can do all that. Whatever
a delta cannot express, or not cheaply, is built clean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.archive.tar import Member, Tree, pack
from buildr.context.delta import State, difference
from buildr.engines.records import BuildRequest
from buildr.errors import BuildError
from buildr.image.secret_values import lookout
from buildr.leftovers.build_lock import building
from buildr.plan.stages import render_growth
from buildr.plan.staging import CONTAINERFILE, counted

if TYPE_CHECKING:
    from buildr.archive.tar import Part
    from buildr.context.delta import Delta
    from buildr.engines.images import Images
    from buildr.engines.progress import Progress
    from buildr.plan.project import Project

_PUT_BYTES = 4 << 20  # more would take longer on every run than building an image once
_PUT_ENTRIES = 400
_FREE_BYTES = 1 << 20  # a delta of this size is always worth it
_MOST_REMOVED = 16 << 10  # characters of names in one instruction; Docker reads lines of 64 KiB


def small_delta(old: State, new: State) -> Delta | None:
    """Return the changes, unless a clean build would be as fast."""
    delta = difference(old, new)
    if delta is None or delta.size > max(
        _FREE_BYTES, sum(entry.size for entry in new.entries) // 2
    ):
        return None
    return delta


def files_to_put(project: Project, delta: Delta) -> bytes:
    """Return the changes as a tar archive to unpack into ``/app``; nothing if that is impossible or too expensive.

    Raises:
        ContextError: a file cannot be read.
    """
    if delta.removed or delta.size > _PUT_BYTES or len(delta.put) > _PUT_ENTRIES:
        return b""
    parts: list[Part] = [_tree(project, delta, "")]
    return b"".join(pack(parts, owner=int(project.recipe.user), lookout=lookout(project)))


def _tree(project: Project, delta: Delta, prefix: str) -> Tree:
    return Tree(
        entries=delta.put,
        root=project.context,
        prefix=prefix,
        contents=delta.contents,
        pinned=delta.pinned,
    )


def grow(
    backend: Images, project: Project, image: str, delta: Delta, progress: Progress
) -> str | None:
    """Build an image from another one; ``None`` if that is not possible.

    Args:
        backend: the engine.
        project: the project.
        image: the older image's id.
        delta: what has changed since.
        progress: receives the events of the build.

    Raises:
        ContextError: a file cannot be read.
    """
    if sum(map(len, delta.removed)) > _MOST_REMOVED:
        return None
    try:
        text = render_growth(image, project.recipe.user, delta.removed, put=bool(delta.put))
    except UnicodeEncodeError:
        return None
    parts: list[Part] = [
        Member(path=CONTAINERFILE, data=text.encode()),
        _tree(project, delta, "context"),
    ]
    request = BuildRequest(
        context=counted(pack(parts, lookout=lookout(project)), progress),
        containerfile=CONTAINERFILE,
    )
    try:
        with building(backend.info.backend) as keep_account:
            progress.on_image = keep_account
            return backend.build(request, progress)
    except BuildError:
        return None  # a clean build reports the error, if there is one
