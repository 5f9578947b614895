"""Finds and removes old images of a project."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.errors import EngineError
from buildr.labels import PROJECT, RUN
from buildr.layout import ENTRYPOINT
from buildr.leftovers.build_lock import alone
from buildr.plan.fingerprint import is_fingerprint, is_prepared

if TYPE_CHECKING:
    from buildr.engines.images import Images
    from buildr.engines.records import Image
    from buildr.plan.project import Project

_KEPT = 3  # images of one project, so that going back to an earlier state of the source is quick


class OldImages(Struct, frozen=True, kw_only=True):
    """The project whose old images are to be removed, and its new image."""

    project: str
    """The project's key."""
    name: str
    """The name of its images, without the tag."""
    newest: str
    """The new image's id."""
    secrets: bool
    installs: bool


def old_images(project: Project, newest: str) -> OldImages:
    """Return the argument of `collect` for a project.

    Args:
        project: the project.
        newest: the id of its new image.
    """
    return OldImages(
        project=project.key,
        name=project.local_name,
        newest=newest,
        secrets=bool(project.package.secrets),
        installs=bool(project.recipe.installs),
    )


def is_built(image: Image) -> bool:
    """Whether an image with a project's label was built by Buildr, and not derived from such an image.

    A committed image has the labels of its run; an image derived with a Containerfile usually has another command.
    """
    runs_ours = not image.entrypoint or image.entrypoint[: len(ENTRYPOINT)] == ENTRYPOINT
    return runs_ours and RUN not in image.labels


def collect(backend: Images, old: OldImages) -> bool:
    """Remove old images of a project, except for those in use or with foreign names.

    Args:
        backend: the engine.
        old: the project.

    Returns:
        Whether it is done; nothing is removed while a build is running.

    Raises:
        BackendError: the engine cannot list its images.
    """
    for name in _names_of_old(backend, old):
        # The lock is held only for each removal, since builds wait for it.
        with alone() as nobody_builds:
            if not nobody_builds:
                return False
            with contextlib.suppress(EngineError):  # a container still uses it
                backend.remove_image(name)
    return True


def _names_of_old(backend: Images, old: OldImages) -> list[str]:
    rows = backend.images({PROJECT: old.project})
    kept = [0, 0]
    found: list[str] = []
    for row in rows:
        if row.id == old.newest or any(not is_fingerprint(tag, old.name) for tag in row.tags):
            continue
        prepared = any(map(is_prepared, row.tags))
        if row.tags and kept[prepared] < _KEPT:
            kept[prepared] += 1
            continue
        if row.tags or ((image := backend.image(row.id)) is not None and is_built(image)):
            found += row.tags or (row.id,)
    if old.installs:
        from buildr.installer import wheels

        found += wheels.old_names(backend, rows)
    if old.secrets:
        from buildr import installer

        found += installer.old_names(backend, old.project, old.name)
    return found
