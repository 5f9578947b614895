"""Which member of a uv workspace is meant, and which folders are imported from where they are.

The members of a workspace share a lock at its top. As with ``uv run``, a program has the dependencies of the member
that it belongs to, or of the one that is named (``--package``):
https://docs.astral.sh/uv/concepts/projects/workspaces/
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from buildr.dependencies.import_roots import source_roots
from buildr.dependencies.indexes import with_uv_file
from buildr.dependencies.lockfile import load
from buildr.dependencies.markers import normalised
from buildr.errors import DependencyError, Message, OptionName
from buildr.host.documents import table_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from buildr.dependencies.model import ProjectFiles

__all__ = ["chosen_member", "member_above", "roots_in_place", "with_workspace"]

_OPTION = OptionName("package.member")
_PURE = frozenset(
    (
        *("hatchling.build", "uv_build", "flit_core.buildapi", "pdm.backend"),
        *("poetry.core.masonry.api", "setuptools.build_meta"),
    )
)
"""Build back ends whose editable installation is a path to import from, where nothing in the project says otherwise."""


def chosen_member(
    project: ProjectFiles, members: Iterable[tuple[str, str]], path: str
) -> str | None:
    """Return the name of the selected member.

    Args:
        project: the project.
        members: the name of each, and its folder, relative to that of `path`.
        path: of the lock, relative to the context.

    Returns:
        ``None`` where none is named, and the script belongs to none.

    Raises:
        DependencyError: there is none of the name that the user gave.
    """
    known = list(members)
    if project.member is not None:
        wanted = normalised(project.member)
        if wanted in (normalised(name) for name, _ in known):
            return next(name for name, _ in known if normalised(name) == wanted)
        raise DependencyError(
            Message(_OPTION, f": {path} has no member {project.member!r}"),
            hint=f"accepted: {', '.join(sorted(name for name, _ in known)) or 'nothing'}",
        )
    top = os.path.dirname(path)
    names = {os.path.normpath(os.path.join(top, place)): name for name, place in known}
    return next((names[folder] for folder in _folders_of_script(project) if folder in names), None)


def member_above(project: ProjectFiles) -> str | None:
    """Return the path of the ``pyproject.toml`` of the member that the script belongs to, relative to the context.

    Returns:
        ``None`` where ``pyproject.toml`` at the top is that of the script, or of no workspace.

    Raises:
        DependencyError: the file at the top cannot be read.
    """
    data = load(project, "pyproject.toml")
    if not table_at(table_at(table_at(data, "tool"), "uv"), "workspace"):
        return None
    paths = (f"{folder}/pyproject.toml" for folder in _folders_of_script(project) if folder != ".")
    return next(
        (path for path in paths if os.path.isfile(os.path.join(project.context, path))), None
    )


def with_workspace(project: ProjectFiles, path: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a member's ``pyproject.toml`` with uv's settings of the workspace around it.

    All settings but the sources are the workspace's alone, and its sources are for every member:
    https://docs.astral.sh/uv/concepts/projects/workspaces/#workspace-sources

    Args:
        project: the project.
        path: of the file, relative to the context.
        data: its content.

    Returns:
        ``data`` as it is where the file is at the top of the context, or of no workspace.

    Raises:
        DependencyError: a file above it cannot be read.
    """
    folder = os.path.dirname(path)
    while folder:
        folder = os.path.dirname(folder)
        above = os.path.join(folder, "pyproject.toml")
        if not os.path.isfile(os.path.join(project.context, above)):
            continue
        there = load(project, above)
        if table_at(table_at(table_at(there, "tool"), "uv"), "workspace"):
            shared = table_at(table_at(with_uv_file(project, above, there), "tool"), "uv")
            tool = table_at(data, "tool")
            own = table_at(table_at(tool, "uv"), "sources")
            sources = {**table_at(shared, "sources"), **own}
            return {**data, "tool": {**tool, "uv": {**shared, "sources": sources}}}
    return data


def roots_in_place(project: ProjectFiles, folder: str) -> tuple[str, ...]:
    """Return the folders from which an editable project is imported, where that is all that installing it would do.

    Args:
        project: the project.
        folder: the editable one's, relative to the context.

    Returns:
        Nothing where it may have to be built, or has scripts: an installer has to do that.

    Raises:
        DependencyError: its ``pyproject.toml`` cannot be read.
    """
    path = os.path.normpath(os.path.join(folder, "pyproject.toml"))
    there = os.path.join(project.context, os.path.dirname(path))
    if not os.path.isfile(os.path.join(there, "pyproject.toml")):
        return ()
    data = load(project, path)
    if table_at(data, "build-system").get("build-backend") not in _PURE or _is_built(data, there):
        return ()
    return source_roots(project, path)


def _is_built(data: dict[str, Any], folder: str) -> bool:
    """Whether a project has what only an installer makes: extension modules, generated files, scripts."""
    tool = table_at(data, "tool")
    table = table_at(data, "project")
    return bool(
        os.path.lexists(os.path.join(folder, "setup.py"))
        or os.path.lexists(os.path.join(folder, "setup.cfg"))
        or table.get("scripts")
        or table.get("gui-scripts")
        or table_at(tool, "setuptools").get("ext-modules")
        or table_at(table_at(tool, "hatch"), "build").get("hooks")
        or table_at(tool, "poetry").get("build")
        or table_at(tool, "poetry").get("scripts")
        or table_at(table_at(tool, "pdm"), "build").get("run-setuptools")
    )


def _folders_of_script(project: ProjectFiles) -> Iterator[str]:
    """Yield the script's folder and those above it up to the context, relative to that; none where it is not in it."""
    if project.script is None:
        return
    context = os.path.realpath(project.context)
    folder = os.path.dirname(os.path.realpath(os.path.join(context, project.script)))
    relative = os.path.relpath(folder, context)
    if relative.split(os.sep)[0] == os.pardir:
        return
    while relative not in ("", "."):
        yield relative
        relative = os.path.dirname(relative)
    yield "."
