"""Functions of the standard library whose results follow from their arguments, so that they may be called on what a script's text says.

They are those with which scripts write paths beside themselves; nothing else is ever called.
"""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ATTRIBUTES", "BUILT_IN", "FUNCTIONS", "METHODS"]

BUILT_IN: dict[str, Callable[..., Any]] = {"list": list, "tuple": tuple, "str": str}
"""By their names."""

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "os.fspath": os.fspath,
    "os.path.abspath": os.path.abspath,
    "os.path.basename": os.path.basename,
    "os.path.dirname": os.path.dirname,
    "os.path.join": os.path.join,
    "os.path.realpath": os.path.realpath,
    "pathlib.Path": PurePath,
    "pathlib.PurePath": PurePath,
    "pathlib.PurePosixPath": PurePath,
}
"""By the module and the name that a script imports them by."""

ATTRIBUTES = ("name", "parent", "stem", "suffix")
"""Of a path."""

METHODS: dict[str, Callable[..., Any]] = {
    "absolute": lambda path: PurePath(os.path.abspath(path)),
    "as_posix": PurePath.as_posix,
    "joinpath": PurePath.joinpath,
    "resolve": lambda path: PurePath(os.path.realpath(path)),
    "with_name": PurePath.with_name,
}
"""Of a path, by their names."""
