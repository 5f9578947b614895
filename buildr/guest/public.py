"""What ``import buildr`` means inside a container: the public names, doing as little as possible.

In the image this file is the package's ``__init__.py``. The script imports the same names as on the host; here
the decorated function simply runs, and options are taken as they come, since the host has validated them.
"""

from __future__ import annotations

__all__ = [
    "Containerize",
    "Mount",
    "PackageFile",
    "PackageOptions",
    "RuntimeOptions",
    "is_in_docker_container",
]


class _Options(object):
    """Options as given; nobody reads them here."""

    def __init__(self, *args: object, **options: object) -> None:
        self.__dict__.update(options)


class PackageFile(_Options):
    """A file beyond the context."""


class Mount(_Options):
    """A directory of the host in the container."""


class PackageOptions(_Options):
    """How the image is built."""


class RuntimeOptions(_Options):
    """How the container runs."""


def Containerize(function=None, **options):  # type: ignore[no-untyped-def]  # noqa: N802 - its name is the host's, its types are checked there
    """Leave the function as it is: this is the container it was to run in."""
    if function is None:
        return Containerize
    function.local = function
    return function


def is_in_docker_container() -> bool:
    """Say whether this process runs in a container; here it does, unless a variable denies it."""
    from buildr.guest import detection  # only when it is asked: every start pays for imports

    return detection.is_in_docker_container()
