"""The ground: an image with all that comes before a project's dependencies, the same for all projects that begin alike."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.archive.tar import Member, pack
from buildr.engines.records import BuildRequest
from buildr.errors import BuildError, EngineError
from buildr.installer.normalised import Build, normalised
from buildr.labels import PROJECT, RUN
from buildr.plan.containerfile import additions, render_ground
from buildr.plan.fingerprint import TAG_DIGITS
from buildr.plan.staging import CONTAINERFILE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildr.engines.images import Images
    from buildr.engines.progress import Progress
    from buildr.engines.protocol import Backend
    from buildr.engines.records import Image
    from buildr.plan.containerfile import Recipe

__all__ = ["LABEL", "ground", "names_but_newest", "old_grounds"]

_NAME = "localhost/buildr-ground"
LABEL = "buildr.ground"
"""Of these images; what is made on top of them has it as long as nothing takes it away."""
_KEPT = 8  # of all projects; they take no space of their own, but keep old base images


def ground(
    backend: Backend, recipe: Recipe, base: Image, progress: Progress, *, cache: bool
) -> Image:
    """Return the image that a recipe begins with, built if need be.

    Args:
        backend: the engine.
        recipe: what begins with it.
        base: the base image.
        progress: receives the events of a build.
        cache: whether one that is stored may serve.

    Raises:
        BuildError: a step failed.
        EngineError: it vanished.
    """
    text = f'{render_ground(replace(recipe, base_image=base.id))}LABEL {LABEL}="true"\n'
    tag = f"{_NAME}:{hashlib.sha256(text.encode()).hexdigest()[:TAG_DIGITS]}"
    if not cache or (image := backend.image(tag)) is None:
        request = BuildRequest(
            context=pack([Member(path=CONTAINERFILE, data=text.encode())]),
            containerfile=CONTAINERFILE,
            tags=(tag,),
            cache=cache,
        )
        try:
            made = backend.build(request, progress)
        except BuildError as error:
            from buildr.installer.advice import advised

            raise advised(error, recipe.base_image) from None
        adds = None if base.triggers else additions(recipe, ground=True)
        made = normalised(backend, Build(base=base.id, image=made, adds=adds), progress)
        backend.tag(made, tag)
        image = backend.image(made)
    if image is None:
        raise EngineError(f"the image {tag} vanished", message="it was removed just now")
    return image


def old_grounds(backend: Images) -> list[str]:
    """Return the names of old ones, or the ids of those that have none.

    Raises:
        BackendError: the engine cannot list its images.
    """
    rows = backend.images({LABEL: ""})
    # What an engine has built of one, before it became a layer that is the same each time.
    unnamed = (row for row in rows if not (row.tags or {PROJECT, RUN} & row.labels.keys()))
    return [*names_but_newest(rows, f"{_NAME}:", _KEPT), *(row.id for row in unnamed)]


def names_but_newest(rows: Iterable[Image], prefix: str, count: int) -> list[str]:
    """Return the names of images that have no others, and that are not among the newest.

    Args:
        rows: images, newest first.
        prefix: begins their names.
        count: how many keep them.
    """
    named = (row for row in rows if row.tags and all(tag.startswith(prefix) for tag in row.tags))
    return [tag for row in [*named][count:] for tag in row.tags]
