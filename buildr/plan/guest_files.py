"""The guest part as files of the build: a package ``buildr`` with little more than the public names."""

from __future__ import annotations

import os
from functools import cache

from msgspec.structs import asdict

from buildr.options import PackageOptions, RuntimeOptions

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_API = "api.py"
"""The module in the folder ``guest`` that becomes the package itself."""
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
            data = file.read()
        found.append((destination, _with_defaults(data) if source == f"guest/{_API}" else data))
    return tuple(found)


def _with_defaults(data: bytes) -> bytes:
    """Return the code of the public names with the options' defaults from the host's declarations."""
    for group, options in (("package", PackageOptions()), ("runtime", RuntimeOptions())):
        names: dict[str, str] = {}  # grouped by default value, since each start reads it
        for name, default in asdict(options).items():
            names[repr(default)] = f"{names.get(repr(default), '')}{name} = "
        lines = "".join(f"    {left}{value}\n" for value, left in names.items())
        data = data.replace(f"    # The {group} defaults come here.\n".encode(), lines.encode())
    return data
