"""The options of the image, ``package=``: as they are given, and as they hold once they are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

# The documentation evaluates annotations.
from buildr.options.files import PackageFile  # noqa: TC001
from buildr.options.secrets import BuildSecret  # noqa: TC001

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

__all__ = ["DEFAULT_VARIANT", "Package", "PackageOptions"]

DEFAULT_VARIANT = "alpine"


class PackageOptions(Struct, frozen=True, kw_only=True):
    """How the image is made. Every option may be left out; `package_options` checks them.

    Attributes:
        repository: where the image belongs, ``registry.example.org/me``.
        name: the image's name; by default that of the script.
        tag: the image's tag.
        publish: whether the image is pushed to the repository.
        py_version: the Python of the base image, ``3.12``; by default what the project asks for, else 3.
        variant: the variant of the Python image, ``alpine`` by default.
        base_image: another base image, in place of ``py_version`` and ``variant``.
        pull: ask the registry for a newer base image before every run; otherwise only what is not stored is pulled.
        dockerfile: a file of your own to build, in place of the generated one.
        dependencies_file: the file that names the dependencies; by default the first that is found.
        dependencies: the dependencies themselves, in place of any file.
        extras: the project's extras that are installed, too.
        groups: the dependency groups that are installed, too.
        system_packages: what is installed with the package manager of the base image, apk or apt.
        additional_files: further files to copy into the image.
        context: the directory that is sent to the build.
        user: ``root`` to run as root.
        builder: the backend that builds.
        verbose: show all output of the build.
        quiet: show none of it.
        include_secrets: send files, too, that look like secrets.
        secrets: what the installation of dependencies may see and nothing else does, such as the login to a
            package index.
        wheel_cache: whether a run on this host installs with a cache of downloads and built wheels, which the engine keeps for you.
    """

    repository: str | None = None
    name: str | None = None
    tag: str = "latest"
    publish: bool = False
    py_version: str | int | None = None
    variant: str | None = None
    base_image: str | None = None
    pull: bool = False
    dockerfile: str | os.PathLike[str] | None = None
    dependencies_file: str | os.PathLike[str] | None = None
    dependencies: Sequence[str] | None = None
    extras: Sequence[str] = ()
    groups: Sequence[str] = ()
    system_packages: Sequence[str] = ()
    additional_files: Sequence[PackageFile | str | Mapping[str, Any]] = ()
    context: str | os.PathLike[str] | None = None
    user: Literal["root"] | None = None
    builder: str | None = None
    verbose: bool = False
    quiet: bool = False
    include_secrets: bool = False
    secrets: Sequence[BuildSecret | str | Mapping[str, Any]] = ()
    wheel_cache: bool = False


class Package(PackageOptions, frozen=True, kw_only=True):
    """Validated `PackageOptions`.

    ``variant`` is set unless ``base_image`` or ``dockerfile`` is.
    """

    py_version: str | None = None
    dockerfile: str | None = None
    dependencies_file: str | None = None
    dependencies: tuple[str, ...] | None = None
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    system_packages: tuple[str, ...] = ()
    additional_files: tuple[PackageFile, ...] = ()
    context: str | None = None
    secrets: tuple[BuildSecret, ...] = ()
