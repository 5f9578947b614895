"""``setup.cfg``: what setuptools installs for a project that is configured there.

https://setuptools.pypa.io/en/latest/userguide/declarative_config.html. What a ``setup.py`` adds only its own run would tell.
"""

from __future__ import annotations

import configparser
import os
import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.dependencies.files import decode, inside, read_bytes
from buildr.dependencies.import_roots import source_roots
from buildr.dependencies.listed import check
from buildr.dependencies.listed import requirements as staged
from buildr.dependencies.lockfile import chosen
from buildr.dependencies.readers import requirements
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from buildr.dependencies.model import Dependencies, ProjectFiles

__all__ = ["accepts", "find", "read", "read_beside"]

_FILE = "setup.cfg"
_OPTIONS = "options"
_EXTRAS = "options.extras_require"
_FIND = "options.packages.find"
_FROM_FILES = r"file:\s*(.*)"


def find(project: ProjectFiles) -> Dependencies | None:
    """Read ``setup.cfg`` at the top of the context, if it says what the project needs.

    Raises:
        DependencyError: it cannot be read.
    """
    return read_beside(project, _FILE)


def accepts(name: str) -> bool:
    """Return whether a file that the user named is one of these."""
    return name == _FILE


def read(project: ProjectFiles, path: str) -> Dependencies:
    """Read the file that the user named.

    Raises:
        DependencyError: see `find`; or it does not say what the project needs.
    """
    found = read_beside(project, path)
    if found is None:
        raise DependencyError(
            f"package.dependencies_file: {path} has no install_requires in [options]",
            hint="write them there, or name another file",
        )
    return found


def read_beside(project: ProjectFiles, path: str) -> Dependencies | None:
    """Read the file; ``None`` where it does not say what the project needs.

    Raises:
        DependencyError: see `find`.
    """
    parser = _parsed(project, path)
    wanted = _option(parser, _OPTIONS, "install_requires")
    asked = _option(parser, _OPTIONS, "python_requires")
    optional = parser.options(_EXTRAS) if parser.has_section(_EXTRAS) else []
    if wanted is None and not optional:
        return None
    extras = chosen(project.extras, optional, path, "extras")
    chosen(project.groups, (), path, "groups")
    top = os.path.dirname(path)
    roots = source_roots(project, path) or _roots(project, parser, top)
    texts = [wanted or "", *(parser.get(_EXTRAS, extra) for extra in extras)]
    named = [
        match for text in texts if (match := re.fullmatch(_FROM_FILES, text.strip(), re.DOTALL))
    ]
    if named and len(named) < len(list(filter(None, texts))):
        raise DependencyError(
            f"{path} names requirements both itself and by `file:`, which Buildr does not read together",
            hint="write them all in one of these ways",
        )
    if named:
        files = [file.strip() for match in named for file in re.split(r"[,\n]", match[1])]
        found = requirements.read_all(
            project,
            [os.path.normpath(os.path.join(top, file)) for file in files if file],
            source=f"{', '.join(filter(None, files))}, named by {path}",
            roots=roots,
        )
        return replace(found, requires_python=asked, python_source=f"python_requires in {path}")
    items = list(dict.fromkeys(item for text in texts for item in _items(text)))
    check(items, path)
    return replace(
        staged(items, path, where=path, notes=_notes(project, top)),
        requires_python=asked,
        python_source=f"python_requires in {path}",
        roots=roots,
    )


def _notes(project: ProjectFiles, top: str) -> tuple[str, ...]:
    path = os.path.join(top, "setup.py")
    if not os.path.isfile(os.path.join(project.context, path)):
        return ()
    if b"install_requires" not in read_bytes(inside(project, path, path), path):
        return ()
    return (
        f'{path} is not read, which names dependencies, too: "-e ." in a requirements.txt does',
    )


def _parsed(project: ProjectFiles, path: str) -> configparser.RawConfigParser:
    text = decode(read_bytes(inside(project, path, path), path), path).text
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # extras keep their case
    try:
        parser.read_string(text, source=path)
    except configparser.Error as error:
        raise DependencyError(
            f"{path} is not valid: {' '.join(str(error).split())}", hint="correct the file"
        ) from None
    return parser


def _option(parser: configparser.RawConfigParser, section: str, name: str) -> str | None:
    for spelt in (name, name.replace("_", "-")):
        if parser.has_option(section, spelt):
            return parser.get(section, spelt).strip()
    return None


def _items(text: str) -> list[str]:
    """Split a list as setuptools does: by lines where there are several, else by semicolons."""
    parts = text.splitlines() if "\n" in text else text.split(";")
    return [part.strip() for part in parts if part.strip() and not part.strip().startswith("#")]


def _roots(
    project: ProjectFiles, parser: configparser.RawConfigParser, top: str
) -> tuple[str, ...]:
    """Return the folders that hold the project's packages, if no ``pyproject.toml`` names them."""
    places = re.findall(r"(?m)^[^\S\n]*=\s*(\S+)", _option(parser, _OPTIONS, "package_dir") or "")
    places += (_option(parser, _FIND, "where") or "").split()
    joined = [os.path.normpath(os.path.join(top, place)) for place in places]
    plain = [place for place in joined if re.fullmatch(r"(?!\.\.)[\w./-]+", place)]
    return tuple(
        dict.fromkeys(
            place for place in plain if os.path.isdir(os.path.join(project.context, place))
        )
    )
