"""``[tool.buildr]`` in the project's ``pyproject.toml``.

https://packaging.python.org/en/latest/specifications/pyproject-toml/#arbitrary-tool-configuration-the-tool-table
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from msgspec import structs

from buildr.config.layers import Layer
from buildr.errors import OptionError, OptionName, Term
from buildr.host.files import read_file
from buildr.options import read_package, read_runtime
from buildr.options.errors import InvalidValueError, did_you_mean, shown
from buildr.options.package_values import backend

if TYPE_CHECKING:
    from buildr.options import Mount

__all__ = ["FILE", "KEYS", "read_project_file"]

FILE = "pyproject.toml"
KEYS = ("backend", "package", "runtime")
_TABLE = "tool.buildr"
_KEY = rb"buildr[\"']?[ \t]*[].=]"
"""The table's name in the place of a key, in every spelling but escapes. Importing tomllib would take much of a run's
time, and most files have no such table.
"""


def read_project_file(directory: str) -> Layer | None:
    """Read the options in a project's file; ``None`` if there are none.

    Relative paths of mounts, of files of variables and of the context start at the file's directory.

    Args:
        directory: the absolute path of the project.

    Raises:
        OptionError: the file cannot be read, or an option in it is invalid; file and key are named.
    """
    path = os.path.join(directory, FILE)
    table = _tool_table(path)
    if not table:
        return None
    try:
        return _layer(table, directory, path)
    except OptionError as error:
        error.reword(_key_of)
        raise OptionError(f"{path}: {error.what}", hint=str(error.hint)) from None


def _key_of(term: Term) -> str:
    return f"{_TABLE}.{term}" if isinstance(term, OptionName) else term


def _tool_table(path: str) -> dict[str, Any]:
    try:
        data = read_file(path)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return {}
    except OSError as error:
        raise OptionError(
            f"{path} cannot be read: {error.strerror}",
            hint="Make it a regular file that you may read, or remove it.",
        ) from None
    if not re.search(_KEY, data):
        return {}
    import tomllib

    try:
        found = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # tomllib's own and UnicodeDecodeError, too
        raise OptionError(
            f"{path} is not valid TOML: {error}", hint="See https://toml.io."
        ) from None
    tools = found.get("tool", {})
    table = tools.get("buildr", {}) if isinstance(tools, dict) else {}
    if not isinstance(table, dict):
        raise OptionError(
            f"{path}: {_TABLE} cannot be {shown(table)}", hint=f"accepted: a table [{_TABLE}]"
        )
    return table


def _layer(table: dict[str, Any], directory: str, path: str) -> Layer:
    for key in table:
        if key not in KEYS:
            meant = did_you_mean(key, KEYS)
            label = f"{_TABLE}.{key}" if re.fullmatch(r"[\w-]+", key, re.ASCII) else shown(key)
            raise OptionError(
                f"{label} is not an option{meant}",
                hint=f"accepted in [{_TABLE}]: {', '.join(KEYS)}",
            )
    named = table.get("backend")
    try:
        engine = None if named is None else backend(named)
    except InvalidValueError as error:
        raise error.of(OptionName("backend")) from None
    package = read_package(_group(table, "package"))
    runtime = read_runtime(_group(table, "runtime"))
    if "context" in package:
        package["context"] = _beside(package["context"], directory)
    if "mounts" in runtime:
        runtime["mounts"] = tuple(_mount(mount, directory) for mount in runtime["mounts"])
    if "env_file" in runtime:
        runtime["env_file"] = tuple(_beside(path, directory) for path in runtime["env_file"])
    return Layer(package=package, runtime=runtime, backend=engine, origin=path)


def _group(table: dict[str, Any], name: str) -> dict[str, Any]:
    group = table.get(name, {})
    if not isinstance(group, dict):
        accepts = f"accepted: a table [{_TABLE}.{name}]"
        raise OptionError(f"{_TABLE}.{name} cannot be {shown(group)}", hint=accepts)
    return group


def _mount(mount: Mount, directory: str) -> Mount:
    if mount.is_volume:
        return mount
    return structs.replace(mount, source=_beside(mount.source, directory))


def _beside(path: str, directory: str) -> str:
    """Return a path that starts at the file, unless it is absolute or starts at a home directory."""
    return path if path.startswith("~") else os.path.normpath(os.path.join(directory, path))
