"""Dependencies: where a project has written them down, and what pip is told.

The first source that is there is taken, in the order of `SOURCES`; a file that the user names comes before
all of them. A further source is one module with the functions of `Source`, and one row.
"""

from __future__ import annotations

import os

from buildr.dependencies import inline, requirements
from buildr.dependencies.files import inside
from buildr.dependencies.model import Dependencies, ProjectFiles, Source, StagedFile
from buildr.errors import DependencyError

__all__ = [
    "SOURCES",
    "Dependencies",
    "ProjectFiles",
    "Source",
    "StagedFile",
    "find_dependencies",
]

SOURCES: tuple[Source, ...] = (requirements, inline)


def find_dependencies(project: ProjectFiles) -> Dependencies | None:
    """Find the dependencies of a project.

    Returns:
        Those of the first source that is there, with the Python that the script's inline metadata asks
        for, whichever source it is; ``None`` where there is no source.

    Raises:
        DependencyError: a source is there and cannot be read, or the file that the user named is not.
    """
    found = _explicit(project) if project.explicit is not None else _first(project)
    if found is None or found.requires_python is not None:
        return found
    asked = inline.requires_python(project)
    return found if asked is None else _with_python(found, asked)


def _with_python(found: Dependencies, asked: str) -> Dependencies:
    from msgspec.structs import replace

    return replace(found, requires_python=asked)


def _first(project: ProjectFiles) -> Dependencies | None:
    for source in SOURCES:
        found = source.find(project)
        if found is not None:
            return found
    return None


def _explicit(project: ProjectFiles) -> Dependencies:
    given = project.explicit or ""
    path = os.path.relpath(
        os.path.join(project.context, os.path.expanduser(given)), project.context
    )
    inside(project, path, f"package.dependencies_file, {given!r},")
    name = os.path.basename(path)
    for source in SOURCES:
        if source.accepts(name):
            return source.read(project, path)
    raise DependencyError(
        f"package.dependencies_file: {given!r} is no kind of file that Buildr reads dependencies from",
        hint="accepted: a file of requirements (*.txt, *.in), or a script with inline metadata (*.py)",
    )
