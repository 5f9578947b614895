"""Notes about files with dependencies that Buildr does not read, with advice.

Nothing of them is installed, which would show only when an import fails in the container.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from buildr.host.files import read_head

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["beside_script", "refusal", "unread"]

_CONDA = (
    "conda environments hold packages that pip cannot install; list what the script needs in a requirements.txt,"
    " or take an image that has conda (base_image, dockerfile)"
)
_LISTED = (
    r"(?i)(?:[\w.-]*[._-])?requirements?(?:[._-][\w.-]*)?\.(?:txt|in|lock)|requires\.txt|deps\.txt"
)
_FOLDER = r"(?i)requirements?"
_CANDIDATE = r"(?i)conda|env|pixi|pipfile|setup\.py|hatch\.|require|deps\."
"""Is in all these names; a folder may hold thousands of others."""
_KINDS = (
    (r"(?:conda[\w.-]*|env|environment[\w.-]*)\.ya?ml|conda-lock\.yml", _CONDA),
    (r"pixi\.(?:toml|lock)", _CONDA),
    (r"Pipfile", "run `pipenv lock`, and Pipfile.lock is read"),
    (r"hatch\.toml", "write what the script needs in [project] dependencies of pyproject.toml"),
    (r"setup\.py", 'a requirements.txt with the line "-e ." installs what it names'),
)
"""Names of files, and what to do; without that they name no packages."""
_SOURCES = {
    **dict.fromkeys(("requirements.txt", "pylock.toml", "uv.lock", "poetry.lock", "pdm.lock"), b""),
    "Pipfile.lock": b"",
    "pyproject.toml": b"dependencies",
    "setup.cfg": b"install_requires",
}
"""Files that would be read at the top of the context, and what is in those that may be for other tools alone."""
_OF_CONDA = rb"(?m)^(?:dependencies|package)\s*:"
_TABLES = r"(?m)^\[(tool\.pixi(?:\.[\w-]+)*\.(?:pypi-)?dependencies|tool\.hatch\.envs\.default)\]"
_MOST = 6
_HEAD_BYTES = 1 << 16


def unread(context: Path, *, installs: bool) -> tuple[str, ...]:
    """Return a line for each file at the top of the context that names dependencies and is not read.

    Args:
        context: the context.
        installs: whether something else is installed. Then only those are named that stand for a whole environment.
    """
    try:
        names = sorted(
            entry.name for entry in os.scandir(context) if re.search(_CANDIDATE, entry.name)
        )
    except OSError:
        return ()
    lines = [
        f"{name} is not read: {what}"
        for name in names
        if (what := refusal(name, context)) and not (installs and name == "setup.py")
    ]
    listed = list(_files_of_requirements(context, names))
    if installs:
        listed = [name for name in listed if name.endswith(".lock")]
    else:
        lines += _tables(context)
    if listed:
        shown = ", ".join(listed[:_MOST]) + (", …" if len(listed) > _MOST else "")
        lines.append(
            f"{shown} {'is' if len(listed) == 1 else 'are'} not read: name one, for instance"
            f' package={{"dependencies_file": "{listed[0]}"}} or --dependencies-file {listed[0]}'
        )
    return tuple(lines)


def beside_script(context: Path, script: Path | None) -> Iterator[str]:
    """Yield a line for the file that names dependencies nearest above the script, where that is below the top of the context.

    Args:
        context: the context, at whose top there is no such file.
        script: an absolute path, or one relative to the context.
    """
    top = os.path.realpath(context)
    folder = os.path.dirname(os.path.realpath(os.path.join(top, script or "")))
    while folder.startswith(f"{top}/"):
        for name, word in _SOURCES.items():
            if os.path.isfile(f"{folder}/{name}") and word in _head(folder, name):
                path = os.path.relpath(f"{folder}/{name}", top)
                yield (
                    f"{path} is not read, since it is not at the top of the context:"
                    f' package={{"dependencies_file": "{path}"}} or --dependencies-file {path} names it'
                )
                return
        folder = os.path.dirname(folder)


def refusal(name: str, context: Path | str) -> str | None:
    """Return what to do in place of reading a file of this name; ``None`` where it names no dependencies."""
    what = next((what for pattern, what in _KINDS if re.fullmatch(pattern, name)), None)
    if what is _CONDA and name.endswith((".yml", ".yaml")):
        own = re.search(_OF_CONDA, _head(context, name))
        return what if own else None  # else another tool's
    return what


def _tables(context: Path) -> Iterator[str]:
    """Yield a line for each table of ``pyproject.toml`` that another tool reads dependencies from."""
    text = _head(context, "pyproject.toml").decode(errors="replace")
    for table in dict.fromkeys(re.findall(_TABLES, text)):
        yield (
            f"{table} in pyproject.toml is not read: write what the script needs in [project] dependencies"
        )


def _files_of_requirements(context: Path, names: list[str]) -> Iterator[str]:
    for name in names:
        if re.fullmatch(_FOLDER, name) and os.path.isdir(f"{context}/{name}"):
            try:
                inner = sorted(entry.name for entry in os.scandir(f"{context}/{name}"))
            except OSError:
                continue
            yield from (
                f"{name}/{file}"
                for file in inner
                if file.endswith((".txt", ".in")) and file.isprintable()
            )
        elif re.fullmatch(_LISTED, name) and os.path.isfile(f"{context}/{name}"):
            yield name


def _head(context: Path | str, name: str) -> bytes:
    try:
        return read_head(f"{context}/{name}", _HEAD_BYTES)
    except OSError:
        return b""
