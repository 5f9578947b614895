"""Finds contradictions to the used source: an outdated lock, and ignored inline metadata.

The project's own tool would write the lock again, or refuse it. Here it is said, since what is missing shows only when an import fails in
the container.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from buildr.dependencies.files import decode, read_bytes
from buildr.dependencies.lockfile import load
from buildr.dependencies.markers import normalised
from buildr.dependencies.readers import inline
from buildr.dependencies.requirement import is_buildr
from buildr.host.documents import table_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.dependencies.model import ProjectFiles

__all__ = ["describe_missing", "describe_superseded"]

_LOCKS = {
    "uv_lock": ("pyproject.toml", "uv lock"),
    "poetry_lock": ("pyproject.toml", "poetry lock"),
    "pdm_lock": ("pyproject.toml", "pdm lock"),
    "pipfile_lock": ("Pipfile", "pipenv lock"),
}
"""By the reader of a lock: the file that it is made from, and the command that makes it."""
_NAME = r'(?m)^name = "([^"\n]+)"|^ *"([\w.-]+)": \{'
"""Of a package, in the forms that these tools write."""
_ELSEWHERE = ("markers", "platform", "platform_machine", "python", "sys_platform", "os_name")


def describe_missing(project: ProjectFiles, lock: str, reader: str) -> str | None:
    """Say which packages a project names that its lock does not have; ``None`` where it has all.

    Args:
        project: the project.
        lock: the path of the lock, relative to the context.
        reader: the name of its reader.

    Raises:
        DependencyError: the file that the lock is made from cannot be read.
    """
    if reader not in _LOCKS:
        return None
    file, command = _LOCKS[reader]
    path = os.path.join(os.path.dirname(lock), file)
    if not os.path.isfile(os.path.join(project.context, path)):
        return None
    text = decode(read_bytes(os.path.join(project.context, lock), lock), lock).text
    locked = {normalised(one or other) for one, other in re.findall(_NAME, text)}
    wanted = dict.fromkeys(_named(load(project, path)))
    missing = [name for name in wanted if normalised(name) not in locked and not is_buildr(name)]
    if not missing:
        return None
    return f"{lock} does not match {path}, which also names {', '.join(missing)}; run: {command}"


def _named(data: dict[str, Any]) -> Iterator[str]:
    """Yield the names of packages that are needed on every platform; a lock may leave out others."""
    for item in _items(table_at(data, "project").get("dependencies")):
        if ";" not in item and (match := re.match(r"[\w.-]+", item.strip())):
            yield match[0]
    for table in (
        table_at(table_at(table_at(data, "tool"), "poetry"), "dependencies"),
        table_at(data, "packages"),
    ):
        for name, what in table.items():
            conditions = what if isinstance(what, dict) else {}
            if (
                name != "python"
                and not isinstance(what, list)
                and not conditions.keys() & _ELSEWHERE
            ):
                yield name


def _items(found: object) -> list[str]:
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []


def describe_superseded(project: ProjectFiles, taken: str) -> str | None:
    """Say that the script has inline metadata that do not count, since another file comes first; ``None`` where it has none.

    Args:
        project: the project.
        taken: the file, for people.

    Raises:
        DependencyError: the script cannot be read.
    """
    if project.script is None:
        return None
    real, path = inline.script_of(project)
    if not (inline.block_of(real, path) or {}).get("dependencies"):
        return None
    return (
        f"the dependencies in the inline metadata of {path} are not read: {taken} comes first;"
        f" --dependencies-file {path} names them"
    )
