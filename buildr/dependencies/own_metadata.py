"""The metadata of an installed project: its name, its version, and its entry points.

The project is not installed (see `buildr.dependencies.import_roots`), but many ask ``importlib.metadata`` for their own version, or
find their plug-ins by entry points. So the image has the folder that an installation would write, with what
``pyproject.toml`` says: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from buildr.dependencies.lockfile import load
from buildr.dependencies.model import StagedFile
from buildr.host.documents import table_at
from buildr.host.files import read_head

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.dependencies.model import ProjectFiles

__all__ = ["UNKNOWN", "own_metadata"]

UNKNOWN = "0+unknown"
"""The version of a project whose version only a build of it could tell."""
_NAME = r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?"  # of the core metadata
_HEAD_BYTES = 1 << 16  # in which a version is looked for
_VERSION = r"[\w.!+-]+"
_ASSIGNED = r"(?im)^(?:__version__|version)(?:\s*:\s*[\w.]+)?\s*=\s*['\"]([\w.!+-]+)['\"]"
"""As Hatchling's own pattern: https://hatch.pypa.io/latest/plugins/version-source/regex/"""


def own_metadata(project: ProjectFiles, path: str) -> tuple[StagedFile, ...]:
    """Return the files of the project's ``.dist-info``; none where it has no name.

    Args:
        project: the project.
        path: its ``pyproject.toml``, relative to the context.

    Raises:
        DependencyError: it cannot be read.
    """
    if not os.path.lexists(os.path.join(project.context, path)):
        return ()
    data = load(project, path)
    poetry = table_at(table_at(data, "tool"), "poetry")
    table = {**poetry, **table_at(data, "project")}
    name = table.get("name")
    if not isinstance(name, str) or not re.fullmatch(_NAME, name, re.ASCII):
        return ()
    version = _version(os.path.join(project.context, os.path.dirname(path)), name, data, table)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    for key, field in (("description", "Summary"), ("requires-python", "Requires-Python")):
        value = table.get(key)
        if isinstance(value, str) and value.strip().isprintable():
            lines.append(f"{field}: {value.strip()}")
    files = {"METADATA": "\n".join(lines) + "\n", "INSTALLER": "buildr\n"}
    if points := "".join(_entry_points(table, poetry)):
        files["entry_points.txt"] = points
    folder = f"{re.sub(r'[-_.]+', '_', name).lower()}-{version.replace('-', '_')}.dist-info"
    return tuple(
        StagedFile(path=f"{folder}/{file}", data=text.encode()) for file, text in files.items()
    )


def _version(top: str, name: str, data: dict[str, Any], table: dict[str, Any]) -> str:
    """Return the version: as written; of a source distribution; of the file that Hatchling reads."""
    given = table.get("version")
    found = [given if isinstance(given, str) else ""]
    if not found[0]:
        info = _head(os.path.join(top, "PKG-INFO"))
        own = re.search(rf"(?mi)^Name: {re.escape(name)}$", info)
        found += re.findall(r"(?m)^Version: (\S+)$", info) if own else []
        place = table_at(table_at(table_at(data, "tool"), "hatch"), "version").get("path")
        found += re.findall(_ASSIGNED, _head(os.path.join(top, str(place)))) if place else []
    return next((one for one in found if re.fullmatch(_VERSION, one, re.ASCII)), UNKNOWN)


def _head(path: str) -> str:
    try:
        return read_head(path, _HEAD_BYTES).decode(errors="replace")
    except (OSError, ValueError):
        return ""


def _entry_points(table: dict[str, Any], poetry: dict[str, Any]) -> Iterator[str]:
    groups = {
        "console_scripts": table_at(table, "scripts"),
        "gui_scripts": table_at(table, "gui-scripts"),
        **table_at(poetry, "plugins"),
        **table_at(table, "entry-points"),
    }
    for group, points in groups.items():
        plain = [f"{key} = {value}" for key, value in points.items() if isinstance(value, str)]
        plain = [line for line in plain if line.isprintable()]
        if plain and re.fullmatch(r"[\w.-]+", group):
            yield "\n".join((f"[{group}]", *plain)) + "\n"
