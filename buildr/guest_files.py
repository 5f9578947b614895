"""The guest part as files of the build: a package ``buildr`` that holds little more than the public names."""

from __future__ import annotations

import os
from functools import cache

# From the path in this package to the path below the guest's root in the image.
_FILES = {
    "guest/public.py": "buildr/__init__.py",
    "guest/__init__.py": "buildr/guest/__init__.py",
    "guest/init.py": "buildr/guest/init.py",
    "guest/detection.py": "buildr/guest/detection.py",
    "guest/call.py": "buildr/guest/call.py",
    "guest/debug.py": "buildr/guest/debug.py",
    "guest/transfer.py": "buildr/guest/transfer.py",
    "errors.py": "buildr/errors.py",
    "_version.py": "buildr/_version.py",
}


def guest_sources() -> tuple[str, ...]:
    """Return the absolute paths of the files that are copied into images."""
    here = os.path.dirname(os.path.abspath(__file__))
    return tuple(f"{here}/{source}" for source in _FILES)


@cache
def guest_files() -> tuple[tuple[str, bytes], ...]:
    """Return paths and contents, paths relative to the guest's root in the image."""
    found = []
    for source, destination in zip(guest_sources(), _FILES.values(), strict=True):
        with open(source, "rb") as file:
            found.append((destination, file.read()))
    return tuple(found)
