"""Hosts without subordinate ids: a rootless container then has a single user id, root, which is the user outside."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from buildr.engines.engine import Engine
    from buildr.plan.project import Project

_NOTE = (
    "you have no subordinate ids, so the image runs as root, which is you outside"
    " (sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER changes that)"
)


def fit(project: Project, backend: Engine) -> Project:
    """Return the project with root as its user if no other id is available."""
    info = backend.info
    if project.dockerfile or not info.rootless or info.remote or _listed(os.geteuid()):
        return project
    # Ids may come from a directory service instead of the file; the engine knows.
    if backend.details().user_ids != 1:
        return project
    recipe = replace(project.recipe, user="0")
    return replace(project, recipe=recipe, notes=(*project.notes, _NOTE))


def _listed(uid: int) -> bool:
    """Whether ``/etc/subuid`` names a user (subuid(5): a login name or a uid, a first id, a count)."""
    try:
        with open("/etc/subuid", encoding="utf-8", errors="replace") as file:
            owners = {line.partition(":")[0] for line in file}
    except OSError:
        return False
    if str(uid) in owners:
        return True
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name in owners
    except KeyError:
        return False
