"""Inline metadata of a script: PEP 723.

The block is what the expression of the specification matches:
https://packaging.python.org/en/latest/specifications/inline-script-metadata/
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from buildr.dependencies.files import decode, inside, read_bytes
from buildr.dependencies.listed import check, requirements
from buildr.dependencies.requirement import is_buildr, without_password
from buildr.errors import DependencyError, Message, OptionName

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from buildr.dependencies.model import Dependencies, ProjectFiles

__all__ = ["accepts", "block_of", "find", "read", "requires_python", "script_of"]

_SPECIFICATION = "see https://packaging.python.org/specifications/inline-script-metadata/"
_OPENING = "# /// script"
_TRACE = rb"///[ \t]*[Ss]cript\b"
"""Is in every script that has a block, or what looks like one; most have none and are not decoded."""
_LIKE = r"[ \t]*#+[ \t]*/{3,4}[ \t]*[Ss]cript[ \t]*"
"""A line that looks as if it opened a block."""
_ANY_OPENING = r"# /// ([a-zA-Z0-9-]+)"
_CLOSING = "# ///"
PYTHON_SOURCE = "requires-python in the script's inline metadata"


class _Block(NamedTuple):
    """A block, with the numbers of its first and last line."""

    kind: str
    first: int
    last: int


def find(project: ProjectFiles) -> Dependencies | None:
    """Read the script's block, if it has one.

    A block without ``dependencies`` says that there are none.

    Raises:
        DependencyError: the script cannot be read, has two blocks, or the block is not valid.
    """
    return _locked_or_read(project, *script_of(project)) if project.script is not None else None


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
    real, path = script_of(project)
    block = block_of(real, path)
    return _requires_python(block, path) if block else None


def script_of(project: ProjectFiles) -> tuple[str, str]:
    """Return the path of the script, and that for people."""
    script = os.path.join(project.context, str(project.script))
    path = os.path.relpath(script, project.context)
    return script, os.path.basename(script) if path.startswith("..") else path


def _locked_or_read(project: ProjectFiles, real: str, path: str) -> Dependencies | None:
    """Read the lock that ``uv lock --script`` has written beside the script, else the block itself."""
    lock = os.path.relpath(f"{real}.lock", os.path.realpath(project.context))
    if os.path.lexists(f"{real}.lock") and block_of(real, path) is not None:
        from buildr.dependencies.readers import uv_lock

        return uv_lock.read_script(project, lock)
    return _read(real, path)


def _read(real: str, path: str) -> Dependencies | None:
    block = block_of(real, path)
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
        from buildr.dependencies.ties import refuse_ties, unlocked
        from buildr.host.documents import table_at

        tool, uv_lock = table_at(block, "tool"), f"uv lock --script {path}"
        refuse_ties(block, wanted, path, uv_lock=uv_lock)
        indexes = lines(declared(tool), path)
        notes = tuple(filter(None, [note(indexes, path), unlocked(tool, path, uv_lock=uv_lock)]))
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


def block_of(real: str, path: str) -> dict[str, Any] | None:
    """Return the parsed block of type ``script``."""
    data = read_bytes(real, path)
    if not re.search(_TRACE, data):
        return None
    lines = re.sub(r"\r\n?", "\n", decode(data, path).text).split("\n")
    blocks = [block for block in _blocks(lines) if block.kind == "script"]
    _refuse_damaged(lines, blocks, path)
    if not blocks:
        return None
    first = blocks[0].first
    if len(blocks) > 1:
        raise DependencyError(
            f"{path} has more than one block '# /// script', in lines {first} and {blocks[1].first}",
            hint="keep one of them",
        )
    content = "".join(
        f"{line[2:] if line.startswith('# ') else line[1:]}\n"
        for line in lines[first : blocks[0].last - 1]
    )
    from tomllib import loads

    try:
        # With as many lines before it as in the script, the parser's line is the script's.
        return loads("\n" * first + content)
    except (ValueError, RecursionError) as error:
        raise DependencyError(
            f"{path}:{first}: the inline metadata is not valid TOML: {without_password(str(error))}",
            hint=_SPECIFICATION,
        ) from None


def _blocks(lines: Sequence[str]) -> Iterator[_Block]:
    """Yield what the specification's expression matches: by lines, as the expression itself may run for hours."""
    at = 0
    while at < len(lines):
        opening = re.fullmatch(_ANY_OPENING, lines[at])
        end, closing = at + 1, 0
        while opening and end < len(lines) and _is_inside(lines[end]):
            if lines[end] == _CLOSING and end > at + 1:
                closing = end
            end += 1
        if opening and closing:
            yield _Block(kind=opening[1], first=at + 1, last=closing + 1)
        at = (
            closing + 1 if closing else end
        )  # what is not closed after this opening is not after a later one


def _is_inside(line: str) -> bool:
    return line == "#" or line.startswith("# ")


def _refuse_damaged(lines: Sequence[str], blocks: Sequence[_Block], path: str) -> None:
    """Refuse a comment that is meant for a block but does not follow the specification, and would install nothing.

    Raises:
        DependencyError: there is one, with its line.
    """
    valid = {number for block in blocks for number in range(block.first, block.last + 1)}
    suspects = [
        number
        for number, line in enumerate(lines, 1)
        if number not in valid and re.fullmatch(_LIKE, line)
    ]
    comments = _comments(lines) if suspects else set()
    seen = 0  # up to which line nothing is wrong below an opening
    for number in suspects:
        if comments is not None and number not in comments:
            continue
        if lines[number - 1] != _OPENING:
            raise _damaged(
                path, number, f"a block opens with the line {_OPENING!r} and nothing else"
            )
        below = max(number, seen)
        # Without a line in between it says nothing.
        while below < len(lines) and lines[below] != _CLOSING:
            if not _is_inside(lines[below]):
                if lines[below].startswith("#"):
                    raise _damaged(path, below + 1, "a line of the block has no blank after '#'")
                raise _damaged(path, number, "the block is not closed by the line '# ///'")
            below += 1
        seen = below


def _damaged(path: str, line: int, why: str) -> DependencyError:
    return DependencyError(
        f"{path}:{line}: the inline metadata is damaged: {why}",
        hint=_SPECIFICATION,
    )


def _comments(lines: Sequence[str]) -> set[int] | None:
    """Return which lines are comments, and not parts of strings; ``None``: not Python, or not yet."""
    from io import StringIO
    from tokenize import COMMENT, TokenError, generate_tokens

    try:
        tokens = generate_tokens(StringIO("\n".join(lines)).readline)
        return {token.start[0] for token in tokens if token.type == COMMENT}
    except (TokenError, SyntaxError):
        return None
