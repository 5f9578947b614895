"""The guest part as files of the build: a package ``buildr`` that holds little more than the public names."""

from __future__ import annotations

import os
from functools import cache

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_API = "api.py"
"""Of the folder ``guest``: in the image it is the package itself."""
_SHARED = ("errors.py", "_version.py")


@cache
def _files() -> dict[str, str]:
    """Map paths in this package to paths below the guest's root in the image."""
    names = sorted(name for name in os.listdir(f"{_PACKAGE}/guest") if name.endswith(".py"))
    files = {f"guest/{name}": f"buildr/guest/{name}" for name in names if name != _API}
    shared = {name: f"buildr/{name}" for name in _SHARED}
    return {f"guest/{_API}": "buildr/__init__.py", **files, **shared}


def guest_sources() -> tuple[str, ...]:
    """Return the absolute paths of the files that are copied into images."""
    return tuple(f"{_PACKAGE}/{source}" for source in _files())


@cache
def guest_files() -> tuple[tuple[str, bytes], ...]:
    """Return paths and contents, paths relative to the guest's root in the image."""
    found = []
    for source, destination in _files().items():
        with open(f"{_PACKAGE}/{source}", "rb") as file:
            found.append((destination, file.read()))
    return tuple(found)
