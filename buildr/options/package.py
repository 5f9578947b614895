"""The options of the image: ``package=``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, structs

from buildr.errors import OptionError
from buildr.options.errors import WrongValueError
from buildr.options.files import PackageFile, additional_files
from buildr.options.reading import read_given
from buildr.options.reference import ACCEPTS as REFERENCE
from buildr.options.reference import COMPONENT, TAG, parse_reference
from buildr.options.secrets import BuildSecret, build_secrets
from buildr.options.values import each, flag, matching, path, text, typed

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "BACKEND",
    "DEFAULT_VARIANT",
    "Package",
    "PackageOptions",
    "backend",
    "complete_package",
    "exclude_one_another",
    "given_package",
    "package_options",
]

DEFAULT_VARIANT = "alpine"

_REPOSITORY = (
    'a registry with or without a path, such as "registry.example.org:5000/team", in lower case'
)
_NAME = (
    'a name in lower case such as "hello" or "team/hello": letters, digits, and . _ - between them'
)
_TAG = "up to 128 letters, digits, and _ . - (not first)"
_PY_VERSION = 'a Python version from 3.8 on, as text: "3", "3.12", "3.12.4", "3.15-rc"'
_PY_PATTERN = r"3(?:\.(?:[89]|[1-9][0-9])(?:\.[0-9]{1,2})?(?:-rc|(?:a|b|rc)[0-9]{1,2})?)?"
_VARIANT = 'the end of a tag of the image "python", such as "alpine", "slim" or "slim-bookworm"; "" for none'
_VARIANT_PATTERN = r"(?:[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?)?"
_USER = '"root"; without it, the image runs as uid 1000 and gid 0'
BACKEND = 'the name of a backend: "podman", "docker", "auto", or one that a package adds'
_BACKEND_PATTERN = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?"
_CONTEXT = "the path of the directory that is sent to the build"
_DOCKERFILE = "the path of a Dockerfile or Containerfile"
_DEPENDENCIES_FILE = "the path, relative to the context, of a file of requirements, a lock, pyproject.toml, or a script"
_DEPENDENCIES = 'a list of requirements by PEP 508, such as ["requests>=2.31", "rich"]; [] for none'
_EXTRAS = 'a list of names of extras, such as ["cli"]'
_GROUPS = 'a list of names of dependency groups, such as ["dev"]'
_NAME_OF_EXTRA = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?"
_SYSTEM_PACKAGES = (
    'a list of packages of the base image\'s own system, such as ["git", "libpq-dev"]'
)
_SYSTEM_PATTERN = (
    r"[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,98}[A-Za-z0-9+])?(?:=[A-Za-z0-9][A-Za-z0-9.:+~_-]{0,98})?"
)
"""A name that apt and apk take for nothing else (to apt, a final ``-`` means to remove), and perhaps a version."""


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
    additional_files: Sequence[PackageFile | Mapping[str, Any]] = ()
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


def package_options(
    value: PackageOptions | Mapping[str, Any] | None,
) -> Package:
    """Validate the options of the image.

    Args:
        value: ``None``, a mapping with names in snake_case or camelCase, or typed options.

    Raises:
        OptionError: options are unknown, ill-typed, no valid values, or exclude one another.
    """
    return complete_package(given_package(value))


def given_package(value: object, *, kind: str = "package") -> dict[str, Any]:
    """Validate the options of the image one by one, and return those that are given.

    Args:
        value: as of `package_options`.
        kind: what errors call the group.

    Raises:
        OptionError: options are unknown, ill-typed, or no valid values.
    """
    return read_given(kind, value, given=PackageOptions, readers=_READERS)


def exclude_one_another(one: str, other: str, values: Mapping[str, Any]) -> bool:
    """Whether two options of these values cannot stand together."""
    if {one, other} == {"verbose", "quiet"}:
        return bool(values[one] and values[other])
    return any(
        second in _DECIDED_BY.get(first, ()) and values[second] != ()
        for first, second in ((one, other), (other, one))
    )


def complete_package(values: Mapping[str, Any], *, alone: bool = True) -> Package:
    """Make the options of the image of valid values.

    Args:
        values: what `given_package` returned, from one place or from several.
        alone: whether nothing else will be added, so that what an option needs must be there.

    Raises:
        OptionError: options exclude one another, or one needs another that is not given.
    """
    found = Package(**values)
    for own, others in _DECIDED_BY.items():
        for other in others:
            if getattr(found, own) is not None and getattr(found, other) not in (None, ()):
                raise OptionError(
                    f"package.{other} has no effect beside package.{own}",
                    hint="accepted: one of the two",
                )
    if found.verbose and found.quiet:
        raise OptionError(
            "package.verbose and package.quiet exclude one another", hint="accepted: one of the two"
        )
    if alone and found.publish and found.repository is None:
        raise OptionError(
            "package.publish needs package.repository",
            hint=f"accepted for package.repository: {_REPOSITORY}",
        )
    _check_reference(found)
    if found.variant is None and found.base_image is None and found.dockerfile is None:
        return structs.replace(found, variant=DEFAULT_VARIANT)
    return found


_DECIDED_BY = {
    "dockerfile": (
        *("base_image", "py_version", "variant", "dependencies_file", "dependencies"),
        *("extras", "groups", "system_packages", "secrets"),
    ),
    "dependencies": ("dependencies_file", "extras", "groups"),
    "base_image": ("py_version", "variant"),
}


def _check_reference(package: Package) -> None:
    """Check that the parts of the image's name are valid together, too."""
    if package.repository is not None:
        try:
            parse_reference(f"{package.repository}/{package.name or 'app'}:{package.tag}")
        except WrongValueError as error:
            label = "package.repository with package.name and package.tag"
            raise OptionError(error.within(label).what, hint=error.hint) from None


def _repository(value: object) -> str:
    repository = text(value, _REPOSITORY)
    try:
        parse_reference(f"{repository}/app")
    except WrongValueError as error:
        raise WrongValueError(value, _REPOSITORY, problem=error.problem) from None
    return repository


def _name(value: object) -> str:
    name = text(value, _NAME)
    pattern = f"{COMPONENT}(?:/{COMPONENT})*"
    if len(name) > 255 or not re.fullmatch(pattern, name, re.ASCII):
        problem = ""
        if name != name.lower():
            problem = "it has upper-case letters"
        elif ":" in name:
            problem = "the tag has an option of its own, 'tag'"
        raise WrongValueError(value, _NAME, problem=problem)
    return name


def _py_version(value: object) -> str:
    if isinstance(value, float):
        problem = "as a number, 3.1 and 3.10 would be the same"
        raise WrongValueError(value, _PY_VERSION, problem=problem)
    if isinstance(value, int) and typed(value, int, _PY_VERSION) == 3:
        return "3"
    return matching(value, _PY_PATTERN, _PY_VERSION)


def _base_image(value: object) -> str:
    """Return a reference as it was written; an image's id, ``sha256:…``, has the form of one."""
    image = text(value, REFERENCE)
    parse_reference(image).normalised()
    return image


def _user(value: object) -> str:
    return matching(value, "root", _USER)


def _requirement(value: object) -> str:
    """Read one requirement; whether it means something to pip is seen when dependencies are looked for."""
    requirement = text(value, _DEPENDENCIES).strip()
    if not requirement:
        raise WrongValueError(value, _DEPENDENCIES, problem="it is empty")
    return requirement


def _names(value: object, pattern: str, accepts: str) -> tuple[str, ...]:
    names = each(value, lambda name: matching(name, pattern, accepts), accepts)
    return tuple(dict.fromkeys(names))


def backend(value: object) -> str:
    """Read the name of a backend; whether there is one is seen later.

    Raises:
        WrongValueError: it can be no backend's name.
    """
    return matching(value, _BACKEND_PATTERN, BACKEND)


_READERS: dict[str, Callable[[Any], Any]] = {
    "repository": _repository,
    "name": _name,
    "tag": lambda value: matching(value, TAG, _TAG),
    "publish": flag,
    "py_version": _py_version,
    "variant": lambda value: matching(value, _VARIANT_PATTERN, _VARIANT),
    "base_image": _base_image,
    "pull": flag,
    "dockerfile": lambda value: path(value, _DOCKERFILE),
    "dependencies_file": lambda value: path(value, _DEPENDENCIES_FILE),
    "dependencies": lambda value: tuple(each(value, _requirement, _DEPENDENCIES)),
    "extras": lambda value: _names(value, _NAME_OF_EXTRA, _EXTRAS),
    "groups": lambda value: _names(value, _NAME_OF_EXTRA, _GROUPS),
    "system_packages": lambda value: _names(value, _SYSTEM_PATTERN, _SYSTEM_PACKAGES),
    "additional_files": additional_files,
    "context": lambda value: path(value, _CONTEXT),
    "user": _user,
    "builder": backend,
    "verbose": flag,
    "quiet": flag,
    "include_secrets": flag,
    "secrets": build_secrets,
    "wheel_cache": flag,
}
