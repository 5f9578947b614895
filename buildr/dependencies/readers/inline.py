"""Inline metadata of a script: PEP 723.

The block is found by the expression of the specification:
https://packaging.python.org/en/latest/specifications/inline-script-metadata/
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from buildr.dependencies.files import decode, inside, read_bytes
from buildr.dependencies.listed import check, requirements
from buildr.dependencies.requirement import is_buildr, without_password
from buildr.errors import DependencyError, Message, OptionName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.dependencies.model import Dependencies, ProjectFiles

__all__ = ["accepts", "find", "read", "requires_python"]

_SPECIFICATION = "see https://packaging.python.org/specifications/inline-script-metadata/"
_OPENING = "# /// script"
_TRACE = rb"///[ \t]*[Ss]cript\b"
"""Is in every script that has a block, or what looks like one; most have none and are not decoded."""
_LIKE = r"[ \t]*#+[ \t]*/{3,4}[ \t]*[Ss]cript[ \t]*"
"""A line that looks as if it opened a block."""
_BLOCK = r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
PYTHON_SOURCE = "requires-python in the script's inline metadata"


def find(project: ProjectFiles) -> Dependencies | None:
    """Read the script's block, if it has one.

    A block without ``dependencies`` says that there are none.

    Raises:
        DependencyError: the script cannot be read, has two blocks, or the block is not valid.
    """
    return _locked_or_read(project, *_script(project)) if project.script is not None else None


def accepts(name: str) -> bool:
    """Return whether a file that the user named is a script."""
    return name.endswith(".py")


def read(project: ProjectFiles, path: str) -> Dependencies:
    """Read the block of a script that the user named.

    Raises:
        DependencyError: it has none, or see `find`.
    """
    found = _locked_or_read(project, inside(project, path, path), path)
    if found is None:
        raise DependencyError(
            Message(OptionName("package.dependencies_file"), f": {path!r} has no inline metadata"),
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


def _locked_or_read(project: ProjectFiles, real: str, path: str) -> Dependencies | None:
    """Read the lock that ``uv lock --script`` has written beside the script, else the block itself."""
    lock = os.path.relpath(f"{real}.lock", os.path.realpath(project.context))
    if os.path.lexists(f"{real}.lock") and _block(real, path) is not None:
        from buildr.dependencies.readers import uv_lock

        return uv_lock.read_script(project, lock)
    return _read(real, path)


def _read(real: str, path: str) -> Dependencies | None:
    block = _block(real, path)
    if block is None:
        return None
    wanted = block.get("dependencies", [])
    if not isinstance(wanted, list) or not all(isinstance(item, str) for item in wanted):
        raise DependencyError(
            f"{path}: dependencies in the inline metadata is not a list of strings",
            hint='accepted: dependencies = ["requests>=2.31", "rich"]',
        )
    wanted = [item.strip() for item in wanted]
    check([item for item in wanted if not is_buildr(item)], path, " in the inline metadata")
    indexes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    if "tool" in block:
        from buildr.dependencies.indexes import declared, lines, note
        from buildr.dependencies.ties import refuse_ties
        from buildr.host.documents import table_at

        refuse_ties(block, wanted, path, uv_lock=f"uv lock --script {path}")
        indexes = lines(declared(table_at(block, "tool")), path)
        notes = tuple(filter(None, [note(indexes, path)]))
    source = f"the inline metadata of {path}"
    return replace(
        requirements(wanted, source, where=path, indexes=indexes, notes=notes),
        requires_python=_requires_python(block, path),
        python_source=PYTHON_SOURCE,
    )


def _requires_python(block: dict[str, Any], path: str) -> str | None:
    asked = block.get("requires-python")
    if asked is not None and not isinstance(asked, str):
        raise DependencyError(
            f"{path}: requires-python in the inline metadata is not a string",
            hint='accepted: requires-python = ">=3.11"',
        )
    return asked


def _block(real: str, path: str) -> dict[str, Any] | None:
    """Return the parsed block of type ``script``."""
    data = read_bytes(real, path)
    if not re.search(_TRACE, data):
        return None
    text = re.sub(r"\r\n?", "\n", decode(data, path).text)
    blocks = [match for match in re.finditer(_BLOCK, text) if match["type"] == "script"]
    _refuse_damaged(text, blocks, path)
    if not blocks:
        return None
    lines = [_line_of(text, match.start()) for match in blocks]
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
            f"{path}:{lines[0]}: the inline metadata is not valid TOML: {without_password(str(error))}",
            hint=_SPECIFICATION,
        ) from None


def _line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _refuse_damaged(text: str, blocks: Sequence[re.Match[str]], path: str) -> None:
    """Refuse a comment that is meant for a block but does not follow the specification, and would install nothing.

    Raises:
        DependencyError: there is one, with its line.
    """
    lines = text.split("\n")
    valid = {
        number
        for match in blocks
        for number in range(_line_of(text, match.start()), _line_of(text, match.end()) + 1)
    }
    for number, line in enumerate(lines, 1):
        if number in valid or not re.fullmatch(_LIKE, line) or not _is_comment(text, number):
            continue
        if line != _OPENING:
            raise _damaged(
                path, number, f"a block opens with the line {_OPENING!r} and nothing else"
            )
        for below, inside_block in enumerate(lines[number:], number + 1):
            if inside_block == "# ///":
                break  # without a line in between: it says nothing
            if inside_block != "#" and not inside_block.startswith("# "):
                if inside_block.startswith("#"):
                    raise _damaged(path, below, "a line of the block has no blank after '#'")
                raise _damaged(path, number, "the block is not closed by the line '# ///'")


def _damaged(path: str, line: int, why: str) -> DependencyError:
    return DependencyError(
        f"{path}:{line}: the inline metadata is damaged: {why}",
        hint=_SPECIFICATION,
    )


def _is_comment(text: str, line: int) -> bool:
    """Return whether a line is a comment, and not a part of a string."""
    from io import StringIO
    from tokenize import COMMENT, TokenError, generate_tokens

    try:
        tokens = generate_tokens(StringIO(text).readline)
        return any(token.type == COMMENT and token.start[0] == line for token in tokens)
    except (TokenError, SyntaxError):  # not Python, or not yet
        return True
