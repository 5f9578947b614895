"""An image from a generated Containerfile, clean: all that comes before the source is built, and the source is one layer on top.

A build has the engine write a context three times: as it comes, into the step's container, and as a layer. A layer that
is handed over ready is written once, so a first build of many files takes a fraction of the engine's own
(docs/performance.md). What comes before is made of such layers, too (`buildr.image.preparation`). The image is the one that the
Containerfile describes, whichever way it was made.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.archive.tar import pack_tree, tree_size
from buildr.engines.layer import Layer
from buildr.engines.records import Event
from buildr.errors import EngineError
from buildr.image.base_content import place_in
from buildr.image.preparation import Preparation
from buildr.image.secret_values import lookout
from buildr.layout import APP
from buildr.plan.containerfile import source_step
from buildr.plan.staging import counted, source_tree

if TYPE_CHECKING:
    from buildr.engines.progress import Progress
    from buildr.engines.protocol import Backend
    from buildr.image.inputs import Inputs
    from buildr.plan.project import Project

_HOLES_BYTES = 1 << 20  # in one file; a build sends no holes, and a layer does
_BLOCK = 512  # what st_blocks counts in


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
        cache: whether what was built before may serve.
        wheels: whether dependencies may be installed with the cache of wheels.

    Raises:
        ContextError: a file cannot be read.
        BuildError: a step failed.
    """
    preparation = Preparation(backend, inputs, project, progress, cache=cache, wheels=wheels)
    if project.package.secrets and project.recipe.installs:
        from buildr.installer import with_dependencies

        project = with_dependencies(backend, project, inputs.sources, progress, cache=cache)
    appends = backend.appends()
    layered = appends and _can_be_layered(backend, project, inputs)
    if layered:
        image = _build_layered(backend, project, inputs, preparation, progress)
        if image is not None:
            backend.tag(image, project.reference)
            return image
    as_built = layered or not appends or not _can_be_compared(project, inputs)
    return preparation.whole(project, project.reference, as_built=as_built)


def _can_be_layered(backend: Backend, project: Project, inputs: Inputs) -> bool:
    """Whether the source can come as a layer on top of all else. Additional files come after the source."""
    if not project.can_grow or project.recipe.files or _has_holes(project, inputs):
        return False
    return not any(place_in(backend, base) == "other" for base in inputs.bases)


def _can_be_compared(project: Project, inputs: Inputs) -> bool:
    """Whether a container shows all that a build has made, and a layer can have it: neither volumes nor holes."""
    return not (any(base.volumes for base in inputs.bases) or _has_holes(project, inputs))


def _build_layered(
    backend: Backend,
    project: Project,
    inputs: Inputs,
    preparation: Preparation,
    progress: Progress,
) -> str | None:
    """Build the project's image; ``None`` where the engine refuses the layer.

    Args:
        backend: the engine.
        project: what to build.
        inputs: what it is built from.
        preparation: makes what the source comes on top of.
        progress: receives the events of the build.

    Raises:
        ContextError: a file cannot be read.
        BuildError: a step of what comes before the source failed.
    """
    sources = inputs.sources
    below = preparation.below_source(replace(project, recipe=replace(project.recipe, mounted=True)))
    tree = source_tree(project, sources, APP.strip("/"))
    layer = Layer(
        content=counted(
            pack_tree(tree, owner=int(project.recipe.user), lookout=lookout(project)), progress
        ),
        size=tree_size(tree),
        created_by=source_step(project.recipe.user),
        labels=preparation.stamp.labels,
        created=preparation.stamp.created,
    )
    progress(Event(kind="step", text=layer.created_by, current=1, total=1))
    try:
        return backend.append(below, layer, progress)
    except EngineError as error:  # a build may still do, or says what is wrong
        progress(Event(kind="log", text=f"{error.what}: {error.message}"))
        return None


def _has_holes(project: Project, inputs: Inputs) -> bool:
    for entry in inputs.sources.tree.scan.entries:
        if entry.kind == "file" and entry.size >= _HOLES_BYTES:
            try:
                status = os.lstat(project.context / entry.path)
            except OSError:
                continue  # the reader reports it
            if entry.size - status.st_blocks * _BLOCK >= _HOLES_BYTES:
                return True
    return False
