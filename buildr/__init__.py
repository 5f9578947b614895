"""Run a Python script in a container with one decorator.

::

    from buildr import Containerize

    @Containerize
    def main():
        print("hello from the container")

    if __name__ == "__main__":
        main()
"""

# First, since it guards all other imports: see its docstring.
from buildr.guest.shadows import guard

guard()

from buildr._gc import Uncollected  # noqa: E402 - after the guard

with Uncollected(freeze=True):
    from buildr._version import __version__
    from buildr.api.containerized import Containerized
    from buildr.api.decorator import Containerize
    from buildr.errors import BuildrError
    from buildr.guest.detection import is_in_docker_container
    from buildr.options import (
        BuildSecret,
        Mount,
        PackageFile,
        PackageOptions,
        Port,
        RuntimeOptions,
        Tmpfs,
    )

__all__ = [
    "BuildSecret",
    "BuildrError",
    "Containerize",
    "Containerized",
    "Mount",
    "PackageFile",
    "PackageOptions",
    "Port",
    "RuntimeOptions",
    "Tmpfs",
    "__version__",
    "is_in_docker_container",
]
