"""Dependencies: where a project declares them, and how pip is called.

The first source in the order of `SOURCES` is used, unless the user names a file; a new source is a module with the
functions of `Source`, and one row. It may import only `buildr.host` and `buildr.errors`.
"""

from __future__ import annotations

import os

from buildr.dependencies.files import inside
from buildr.dependencies.model import (
    Dependencies,
    PartialSource,
    ProjectFiles,
    Source,
    StagedFile,
)
from buildr.dependencies.readers import inline
from buildr.errors import DependencyError, Message, OptionName

__all__ = [
    "SOURCES",
    "Dependencies",
    "ProjectFiles",
    "Source",
    "StagedFile",
    "find_dependencies",
]

SOURCES: tuple[tuple[str, str], ...] = (
    ("requirements", "requirements.txt"),
    ("inline", ""),
    ("pylock", "pylock.toml"),
    ("uv_lock", "uv.lock"),
    ("poetry_lock", "poetry.lock"),
    ("pdm_lock", "pdm.lock"),
    ("pipfile_lock", "Pipfile.lock"),
    ("pyproject", "pyproject.toml"),
    ("setup_cfg", "setup.cfg"),
)
"""The modules of `buildr.dependencies.readers`, and the file of each, which may be in the script itself; one is
imported only where its file is there.
"""
_WITHOUT_CHOICES = ("requirements", "inline", "listed")
_OPTION = OptionName("package.dependencies")
_FILE_OPTION = OptionName("package.dependencies_file")
_ACCEPTED = (
    "requirements (*.txt, *.in, requirements.lock), a script with inline metadata (*.py), pylock.toml or"
    " pylock.NAME.toml, uv.lock, poetry.lock, pdm.lock, Pipfile.lock, pyproject.toml, setup.cfg"
)


def find_dependencies(project: ProjectFiles) -> Dependencies | None:
    """Find the dependencies of a project.

    Returns:
        Those of the first source that is there, with the Python that the script's inline metadata asks
        for, whichever source it is; ``None`` where there is no source.

    Raises:
        DependencyError: a source is there and cannot be read, or what the user named is not there.
    """
    found = _first(project) if project.explicit is None else _explicit(project)
    if found is not None and found.roots:
        found = _with_own(project, found)
    asked = inline.requires_python(project) if found is not None else None
    return found if found is None or asked is None else _with_python(found, asked)


def _with_python(found: Dependencies, asked: str) -> Dependencies:
    from msgspec.structs import replace

    return replace(found, requires_python=asked, python_source=inline.PYTHON_SOURCE)


def _with_own(project: ProjectFiles, found: Dependencies) -> Dependencies:
    from msgspec.structs import replace

    from buildr.dependencies.own_metadata import UNKNOWN, own_metadata

    top = os.path.dirname(_explicit_path(project)) if project.explicit else ""
    own = tuple(
        file
        for folder in found.projects or (top,)
        for file in own_metadata(project, os.path.normpath(os.path.join(folder, "pyproject.toml")))
    )
    notes = found.notes
    if any(f"-{UNKNOWN}." in file.path for file in own):
        note = f"the project's own version is known to its build only; in the image it is {UNKNOWN}"
        notes = (*notes, note)
    return replace(found, own=own, notes=notes)


def _source(name: str) -> Source:
    from importlib import import_module

    source: Source = import_module(f"buildr.dependencies.readers.{name}")
    return source


def _first(project: ProjectFiles) -> Dependencies | None:
    if project.listed is not None:
        return _listed(project, project.listed)
    for name, file in SOURCES:
        if not file or os.path.lexists(os.path.join(project.context, file)):
            source = _source(name)
            if isinstance(source, PartialSource):
                found = source.find(project)
            else:
                found = source.read(project, file)
            if found is not None:
                return _checked(project, found, name)
    for option in ("extras", "groups"):
        if getattr(project, option):
            raise DependencyError(
                Message(
                    OptionName(f"package.{option}"),
                    " has no effect: no file in the context says what the project needs",
                ),
                hint="accepted beside it: pylock.toml, uv.lock, poetry.lock, pdm.lock, Pipfile.lock,"
                " pyproject.toml, setup.cfg",
            )
    return None


def _listed(project: ProjectFiles, wanted: tuple[str, ...]) -> Dependencies:
    from buildr.dependencies import listed

    listed.check(wanted, _OPTION)
    return _checked(project, listed.requirements(wanted, _OPTION, where=_OPTION), "listed")


def _checked(project: ProjectFiles, found: Dependencies, source: str) -> Dependencies:
    """Refuse extras, groups and members if the source has none."""
    for option in ("extras", "groups"):
        if getattr(project, option) and source in _WITHOUT_CHOICES:
            raise DependencyError(
                Message(
                    OptionName(f"package.{option}"),
                    f" has no effect: the dependencies come from {found.source}",
                ),
                hint=Message(
                    "name the file that has them, such as pyproject.toml, with ", _FILE_OPTION
                ),
            )
    if project.member is not None and source != "uv_lock":
        raise DependencyError(
            Message(
                OptionName("package.member"),
                f" has no effect: the dependencies come from {found.source}, and not from uv.lock",
            ),
            hint="run: uv lock",
        )
    return _with_notes(project, found, source)


def _with_notes(project: ProjectFiles, found: Dependencies, source: str) -> Dependencies:
    """Note contradictions of other files."""
    if source.endswith("_lock"):
        from buildr.dependencies.stale import describe_missing

        note = describe_missing(project, found.source, source)
    elif source == "requirements" and project.explicit is None:
        from buildr.dependencies.stale import describe_superseded

        note = describe_superseded(project, found.source)
    else:
        return found
    from msgspec.structs import replace

    return replace(found, notes=(*found.notes, note)) if note else found


def _explicit(project: ProjectFiles) -> Dependencies:
    given = project.explicit or ""
    path = _explicit_path(project)
    inside(project, path, Message(_FILE_OPTION, f", {given!r},"))
    from buildr.dependencies.unread import refusal

    folder, file = os.path.split(os.path.join(project.context, path))
    if what := refusal(file, folder):
        raise DependencyError(Message(_FILE_OPTION, f": {given!r} is not read"), hint=what)
    for name, _ in SOURCES:
        source = _source(name)
        if source.accepts(os.path.basename(path)):
            return _checked(project, source.read(project, path), name)
    raise DependencyError(
        Message(_FILE_OPTION, f": {given!r} is not a file that Buildr reads dependencies from"),
        hint=f"accepted: {_ACCEPTED}",
    )


def _explicit_path(project: ProjectFiles) -> str:
    given = os.path.expanduser(project.explicit or "")
    return os.path.relpath(os.path.join(project.context, given), project.context)
