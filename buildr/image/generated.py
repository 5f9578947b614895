"""Clean images from a generated Containerfile: everything before the source is built, and the source is appended as a layer.

In a build, the engine writes a context three times: on arrival, into the step's container, and as a layer. A ready-made
layer is written once, so a first build of many files takes a fraction of the time (docs/performance.md). The image is
the same in both cases.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.archive.tar import pack, pack_tree, tree_size
from buildr.engines.records import BuildRequest, Event, Layer
from buildr.errors import BuildError, EngineError
from buildr.image.base_content import place_in
from buildr.image.secret_values import lookout
from buildr.layout import APP
from buildr.plan.containerfile import source_step
from buildr.plan.fingerprint import may_serve
from buildr.plan.staging import CONTAINERFILE, counted, parts_of, source_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from buildr.context.entries import Entry
    from buildr.engines.progress import Progress
    from buildr.engines.protocol import Backend
    from buildr.image.inputs import Inputs
    from buildr.plan.project import Project

_HOLES_BYTES = 1 << 20  # in one file; a build does not send holes, a layer does
_BLOCK = 512  # the unit of st_blocks


def build_generated(
    backend: Backend,
    project: Project,
    inputs: Inputs,
    progress: Progress,
    *,
    cache: bool,
    wheels: bool = False,
) -> str:
    """Build a project's image, and give it the project's name; return its id.

    Args:
        backend: the engine.
        project: what to build.
        inputs: what it is built from.
        progress: receives the events of the build.
        cache: whether earlier builds may be used.
        wheels: whether dependencies may be installed with the cache of wheels.

    Raises:
        ContextError: a file cannot be read.
        BuildError: a step failed.
    """
    sources, prepared_tag = inputs.sources, inputs.frame.prepared_tag
    base_image = project.recipe.base_image  # by its name, which images of dependencies do not have
    if project.package.secrets and project.recipe.installs:
        from buildr.installer import with_dependencies

        project = with_dependencies(backend, project, sources, progress, cache=cache)

    def build(project: Project, tag: str) -> str:
        if wheels and not project.package.secrets:
            from buildr.installer.wheels import with_wheels

            project = with_wheels(backend, project, progress, cache=cache) or project
        request = BuildRequest(
            context=counted(pack(parts_of(project, sources), lookout=lookout(project)), progress),
            containerfile=CONTAINERFILE,
            tags=(tag,),
            cache=cache,
        )
        try:
            return backend.build(request, progress)
        except BuildError as error:
            from buildr.installer.advice import advised

            raise advised(error, base_image) from None

    def prepare(project: Project) -> str:
        stored = backend.image(prepared_tag) if cache else None
        if stored is not None and may_serve(stored, project):
            return stored.id
        return build(project, prepared_tag)

    image = _build_layered(backend, project, inputs, prepare, progress)
    if image is None:
        return build(project, project.reference)
    backend.tag(image, project.reference)
    return image


def _build_layered(
    backend: Backend,
    project: Project,
    inputs: Inputs,
    prepare: Callable[[Project], str],
    progress: Progress,
) -> str | None:
    """Build the project's image; ``None`` if that is not possible this way.

    Args:
        backend: the engine.
        project: what to build.
        inputs: what it is built from.
        prepare: returns the id of the image of a project whose source is not part of it.
        progress: receives the events of the build.

    Raises:
        ContextError: a file cannot be read.
        BuildError: a step of what comes before the source failed.
    """
    sources = inputs.sources
    entries = sources.tree.scan.entries
    # Additional files come after the source.
    if not project.can_grow or project.recipe.files or _has_holes(project.context, entries):
        return None
    if not backend.appends() or any(place_in(backend, base) == "other" for base in inputs.bases):
        return None
    below = prepare(replace(project, recipe=replace(project.recipe, mounted=True)))
    tree = source_tree(project, sources, APP.strip("/"))
    layer = Layer(
        content=counted(
            pack_tree(tree, owner=int(project.recipe.user), lookout=lookout(project)), progress
        ),
        size=tree_size(tree),
        created_by=source_step(project.recipe.user),
    )
    progress(Event(kind="step", text=layer.created_by, current=1, total=1))
    try:
        return backend.append(below, layer, progress)
    except EngineError as error:  # a build may still succeed, or reports the error
        progress(Event(kind="log", text=f"{error.what}: {error.message}"))
        return None


def _has_holes(root: Path, entries: Iterable[Entry]) -> bool:
    for entry in entries:
        if entry.kind == "file" and entry.size >= _HOLES_BYTES:
            try:
                status = os.lstat(root / entry.path)
            except OSError:
                continue  # the reader reports it
            if entry.size - status.st_blocks * _BLOCK >= _HOLES_BYTES:
                return True
    return False
