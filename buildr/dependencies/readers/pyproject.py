"""``pyproject.toml``: the project's dependencies, its extras, and dependency groups.

https://packaging.python.org/en/latest/specifications/pyproject-toml/ and
https://packaging.python.org/en/latest/specifications/dependency-groups/ say what is there. Nothing is locked by it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from buildr.dependencies import indexes
from buildr.dependencies.files import inside, read_bytes
from buildr.dependencies.import_roots import source_roots
from buildr.dependencies.listed import check
from buildr.dependencies.listed import requirements as staged
from buildr.dependencies.lockfile import chosen, load
from buildr.dependencies.markers import normalised
from buildr.dependencies.readers import requirements
from buildr.dependencies.ties import refuse_ties, unlocked
from buildr.dependencies.workspace import member_above, with_workspace
from buildr.errors import DependencyError, Message, OptionName
from buildr.host.documents import table_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildr.dependencies.model import Dependencies, ProjectFiles

__all__ = ["accepts", "find", "read"]

_FILE = "pyproject.toml"
_DEEPEST = 50
_WORDS = (b"project", b"poetry", b"dependency-groups", b"flit")
"""One of them is in every such file that says what a project needs; most have none, and are not parsed."""


def find(project: ProjectFiles) -> Dependencies | None:
    """Read ``pyproject.toml`` at the top of the context, if it says what the project needs.

    Raises:
        DependencyError: it cannot be read, or what it says cannot be known without its tool.
    """
    data = read_bytes(inside(project, _FILE, _FILE), _FILE)
    if b"workspace" in data and (member := member_above(project)):
        found = _read(project, member)
        return found and replace(found, projects=(os.path.dirname(member),))
    return _read(project, _FILE) if any(word in data for word in _WORDS) else None


def accepts(name: str) -> bool:
    """Return whether a file that the user named is one of these."""
    return name == _FILE


def read(project: ProjectFiles, path: str) -> Dependencies:
    """Read the file that the user named.

    Raises:
        DependencyError: see `find`; or it does not say what the project needs.
    """
    found = _read(project, path)
    if found is None:
        raise DependencyError(
            Message(OptionName("package.dependencies_file"), f": {path} has no table [project]"),
            hint="write one with dependencies, or name another file",
        )
    return found


def _read(project: ProjectFiles, path: str) -> Dependencies | None:
    data = load(project, path)
    table = _table(data, "project", path)
    tool = _table(data, "tool", path)
    if not table and (flit := _table(_table(tool, "flit", path), "metadata", path)):
        table = {
            "name": flit.get("dist-name", flit.get("module", "")),
            "requires-python": flit.get("requires-python"),
            "dependencies": flit.get("requires", []),
            "optional-dependencies": flit.get("requires-extra", {}),
        }
    if not table:
        if "dependencies" in _table(tool, "poetry", path):
            raise DependencyError(
                f"{path}: tool.poetry.dependencies is for Poetry and not for pip, and there is no lock",
                hint="run: poetry lock",
            )
        if not project.groups:
            return None
    asked = table.get("requires-python")
    if asked is not None and not isinstance(asked, str):
        raise _invalid(path, "project.requires-python", 'requires-python = ">=3.11"')
    if "dependencies" in _texts(table.get("dynamic", []), path, "project.dynamic"):
        return _untied(data, _dynamic(project, path, tool), path)
    wanted = _texts(table.get("dependencies", []), path, "project.dependencies")
    optional = _table(table, "optional-dependencies", path)
    own = normalised(str(table.get("name", "")))
    extras = chosen(project.extras, optional, path, "extras")
    wanted = _expanded(wanted, optional, own, extras, path)
    wanted += _grouped(_table(data, "dependency-groups", path), project.groups, path)
    wanted = list(dict.fromkeys(item.strip() for item in wanted))
    check(wanted, path)
    data = with_workspace(project, path, indexes.with_uv_file(project, path, data))
    tool = table_at(data, "tool")
    refuse_ties(data, wanted, path)
    found = indexes.lines(indexes.declared(tool), path)
    notes = tuple(filter(None, [indexes.note(found, path), unlocked(tool, path)])) if wanted else ()
    return replace(
        staged(wanted, path, where=path, indexes=found, notes=notes),
        requires_python=asked,
        python_source=f"requires-python in {path}",
        roots=source_roots(project, path),
    )


def _dynamic(project: ProjectFiles, path: str, tool: dict[str, Any]) -> Dependencies:
    """Read the files that setuptools reads dependencies from."""
    dynamic = _table(_table(tool, "setuptools", path), "dynamic", path).get("dependencies")
    files = dynamic.get("file") if isinstance(dynamic, dict) else None
    files = [files] if isinstance(files, str) else files
    if not isinstance(files, list) or not files or not all(isinstance(file, str) for file in files):
        from buildr.dependencies.readers import setup_cfg

        beside = os.path.join(os.path.dirname(path), "setup.cfg")
        if os.path.lexists(os.path.join(project.context, beside)):
            found = setup_cfg.read_beside(project, beside)
            if found is not None:
                return found
        raise DependencyError(
            f"{path}: project.dependencies is dynamic, so only a build of the project knows it",
            hint='write a requirements.txt with the line "-e .", or set package={"dependencies": […]}',
        )
    top = os.path.dirname(path)
    chosen(project.extras, (), path, "extras")
    chosen(project.groups, (), path, "groups")
    return requirements.read_all(
        project,
        [os.path.normpath(os.path.join(top, file)) for file in files],
        source=f"{', '.join(files)}, named by {path}",
        roots=source_roots(project, path),
    )


def _untied(data: dict[str, Any], found: Dependencies, path: str) -> Dependencies:
    """Return what is read from other files, where none of it is tied to a place."""
    written = (file.data.decode(errors="replace") for file in found.files)
    refuse_ties(data, [line for text in written for line in text.splitlines()], path)
    return found


def _expanded(
    wanted: Sequence[str],
    optional: dict[str, Any],
    own: str,
    extras: Sequence[str],
    path: str,
) -> list[str]:
    """Add the requirements of extras; an extra may name others, as ``demo[cli]``."""
    found = list(wanted)
    names = {normalised(name): name for name in optional}
    todo = list(extras)
    done: set[str] = set()
    while todo:
        name = todo.pop(0)
        if name in done:
            continue
        done.add(name)
        for item in _texts(optional[name], path, f"project.optional-dependencies.{name}"):
            itself = re.fullmatch(r"\s*([\w.-]+)\s*\[([^\]]*)\]\s*", item, re.ASCII)
            if itself and own and normalised(itself[1]) == own:
                parts = [normalised(part.strip()) for part in itself[2].split(",")]
                todo += chosen(parts, names.values(), path, "extras")
            else:
                found.append(item)
    return found


def _grouped(groups: dict[str, Any], wanted: Sequence[str], path: str) -> list[str]:
    """Return the requirements of dependency groups and of those that they include (PEP 735)."""
    found: list[str] = []
    for name in chosen(wanted, groups, path, "groups"):
        found += _of_group(groups, name, path, ())
    return found


def _of_group(
    groups: dict[str, Any], name: str, path: str, above: tuple[str, ...]
) -> Iterator[str]:
    where = f"dependency-groups.{name}"
    if name in above or len(above) > _DEEPEST:
        raise DependencyError(
            f"{path}: {where} includes itself, by {' → '.join((*above, name))}",
            hint="correct the file",
        )
    items = groups[name]
    if not isinstance(items, list):
        raise _invalid(path, where, f'{name} = ["pytest>=8"]')
    for item in items:
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict) and [*item] == ["include-group"]:
            (included,) = chosen([str(item["include-group"])], groups, path, "groups")
            yield from _of_group(groups, included, path, (*above, name))
        else:
            raise _invalid(path, where, f'{name} = ["pytest>=8", {{include-group = "lint"}}]')


def _texts(value: object, path: str, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _invalid(path, where, '["requests>=2.31", "rich"]')
    return value


def _table(data: dict[str, Any], key: str, path: str) -> dict[str, Any]:
    found = data.get(key, {})
    if not isinstance(found, dict):
        raise _invalid(path, key, f"a table [{key}]")
    return found


def _invalid(path: str, where: str, accepted: str) -> DependencyError:
    return DependencyError(f"{path}: {where} has the wrong form", hint=f"accepted: {accepted}")
