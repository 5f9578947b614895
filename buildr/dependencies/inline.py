"""Inline metadata of a script: PEP 723.

The block is found by the expression of the specification:
https://packaging.python.org/en/latest/specifications/inline-script-metadata/
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from buildr.dependencies.files import decode, inside, read_bytes
from buildr.dependencies.model import Dependencies, ProjectFiles, StagedFile
from buildr.dependencies.requirement import (
    is_buildr,
    is_requirement,
    note_left_out,
    note_password,
    points_into_source,
    without_password,
)
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["accepts", "find", "read", "requires_python"]

_BLOCK = r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
_STAGED = "requirements.txt"


def find(project: ProjectFiles) -> Dependencies | None:
    """Read the script's block, if it has one.

    A block without ``dependencies`` says that there are none.

    Raises:
        DependencyError: the script cannot be read, has two blocks, or the block is not valid.
    """
    return _read(*_script(project)) if project.script is not None else None


def accepts(name: str) -> bool:
    """Return whether a file that the user named is a script."""
    return name.endswith(".py")


def read(project: ProjectFiles, path: str) -> Dependencies:
    """Read the block of a script that the user named.

    Raises:
        DependencyError: it has none, or see `find`.
    """
    found = _read(inside(project, path, path), path)
    if found is None:
        raise DependencyError(
            f"package.dependencies_file: {path!r} has no inline metadata",
            hint='accepted: a script with a block "# /// script", or a file of requirements',
        )
    return found


def requires_python(project: ProjectFiles) -> str | None:
    """Return ``requires-python`` of the script's block.

    Raises:
        DependencyError: see `find`.
    """
    if project.script is None:
        return None
    real, path = _script(project)
    block = _block(real, path)
    return _requires_python(block, path) if block else None


def _script(project: ProjectFiles) -> tuple[str, str]:
    """Return the path of the script, and that for people."""
    script = os.path.join(project.context, str(project.script))
    path = os.path.relpath(script, project.context)
    return script, os.path.basename(script) if path.startswith("..") else path


def _read(real: str, path: str) -> Dependencies | None:
    block = _block(real, path)
    if block is None:
        return None
    wanted = block.get("dependencies", [])
    if not isinstance(wanted, list) or not all(isinstance(item, str) for item in wanted):
        raise DependencyError(
            f"{path}: dependencies in the inline metadata is no list of texts",
            hint='accepted: dependencies = ["requests>=2.31", "rich"]',
        )
    kept = [item for item in map(str.strip, wanted) if not is_buildr(item)]
    _check(kept, path)
    password = next(filter(None, (note_password(item, path) for item in kept)), None)
    left_out = note_left_out(path) if len(kept) < len(wanted) else None
    notes = tuple(note for note in (left_out, password) if note)
    source = f"the inline metadata of {path}"
    asked = _requires_python(block, path)
    if not kept:
        return Dependencies(source=source, requires_python=asked, notes=notes)
    data = "".join(f"{item}\n" for item in kept).encode()
    return Dependencies(
        source=source,
        files=(StagedFile(path=_STAGED, data=data),),
        install=("-r", _STAGED),
        needs_source=any(points_into_source(item) for item in kept),
        requires_python=asked,
        notes=notes,
    )


def _check(requirements: Iterable[str], path: str) -> None:
    """Check that each is a requirement, and means the same as a line of a file of requirements."""
    for item in requirements:
        changed = not item.isprintable() or re.search(r"\s#", item) or item.endswith("\\")
        if changed or not is_requirement(item):
            raise DependencyError(
                f"{path}: {without_password(item)!r} in the inline metadata is no requirement",
                hint='accepted: requirements by PEP 508 such as "requests>=2.31"',
            )


def _requires_python(block: dict[str, Any], path: str) -> str | None:
    asked = block.get("requires-python")
    if asked is not None and not isinstance(asked, str):
        raise DependencyError(
            f"{path}: requires-python in the inline metadata is no text",
            hint='accepted: requires-python = ">=3.11"',
        )
    return asked


def _block(real: str, path: str) -> dict[str, Any] | None:
    """Return the parsed block of type ``script``."""
    data = read_bytes(real, path)
    if b"# /// script" not in data:
        return None
    text = re.sub(r"\r\n?", "\n", decode(data, path).text)
    blocks = [match for match in re.finditer(_BLOCK, text) if match["type"] == "script"]
    if not blocks:
        return None
    lines = [text.count("\n", 0, match.start()) + 1 for match in blocks]
    if len(blocks) > 1:
        raise DependencyError(
            f"{path} has more than one block '# /// script', in lines {lines[0]} and {lines[1]}",
            hint="keep one of them",
        )
    content = "".join(
        line[2:] if line.startswith("# ") else line[1:]
        for line in blocks[0]["content"].splitlines(keepends=True)
    )
    from tomllib import loads

    try:
        # With as many lines before it as in the script, the parser's line is the script's.
        return loads("\n" * lines[0] + content)
    except (ValueError, RecursionError) as error:
        raise DependencyError(
            f"{path}:{lines[0]}: the inline metadata is no valid TOML: {without_password(str(error))}",
            hint="see https://packaging.python.org/specifications/inline-script-metadata/",
        ) from None
