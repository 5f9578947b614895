"""The options of the image, ``package=``: as they are given, and validated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from buildr.options.files import PackageFile  # noqa: TC001 - Sphinx evaluates annotations
from buildr.options.secrets import BuildSecret  # noqa: TC001 - Sphinx evaluates annotations

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

__all__ = ["DEFAULT_VARIANT", "Package", "PackageOptions"]

DEFAULT_VARIANT = "alpine"


class PackageOptions(Struct, frozen=True, kw_only=True):
    """How the image is built. Every option can be omitted; `package_options` validates them.

    Attributes:
        repository: where the image belongs, ``registry.example.org/me``.
        name: the image's name; by default that of the script.
        tag: the image's tag.
        publish: whether to push the image to the repository.
        py_version: the Python version of the base image, ``3.12``; by default the one that the project requires, else 3.
        variant: the variant of the Python image, ``alpine`` by default.
        base_image: another base image, in place of ``py_version`` and ``variant``.
        pull: check the registry for a newer base image before every run; otherwise an image is pulled only if it is not stored.
        dockerfile: a Containerfile of your own, in place of the generated one.
        dependencies_file: the file that lists the dependencies; by default the first that is found.
        dependencies: the dependencies themselves, in place of any file.
        extras: extras of the project to install as well.
        groups: dependency groups to install as well.
        member: the member of a uv workspace whose dependencies are installed; by default the one that the script is in.
        system_packages: packages to install with the package manager of the base image, apk or apt.
        additional_files: more files to copy into the image: ``"src:dest[:mode]"``, dicts, or `PackageFile` objects.
        context: the directory that is sent to the build.
        user: ``root`` to run as root.
        builder: the backend that builds.
        verbose: show all output of the build.
        quiet: show nothing but errors.
        include_secrets: also send files that look like secrets.
        secrets: what only the installation of dependencies, or a step of a Containerfile of your own, can see, such as the login to a
            package index.
        wheel_cache: whether installations use a cache of downloads and built wheels, which the engine keeps on this host.
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
    member: str | None = None
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
