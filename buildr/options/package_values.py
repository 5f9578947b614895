"""The values of the options of the image: what each accepts, and the reader that checks it."""

from __future__ import annotations

import re

from buildr.options.errors import InvalidValueError
from buildr.options.reference import ACCEPTS as REFERENCE
from buildr.options.reference import COMPONENT, TAG, parse_reference
from buildr.options.values import each, matching, path, text, typed

REPOSITORY = (
    'a registry with or without a path, such as "registry.example.org:5000/team", in lower case'
)
_NAME = (
    'a name in lower case such as "hello" or "team/hello": letters, digits, and . _ - between them'
)
_TAG = "up to 128 letters, digits, and _ . - (not first)"
_PY_VERSION = 'a Python version, 3.8 or newer, as text: "3", "3.12", "3.12.4", "3.15-rc"'
_PY_PATTERN = r"3(?:\.(?:[89]|[1-9][0-9])(?:\.[0-9]{1,2})?(?:-rc|(?:a|b|rc)[0-9]{1,2})?)?"
_VARIANT = 'the end of a tag of the image "python", such as "alpine", "slim" or "slim-bookworm"; "" for none'
_VARIANT_PATTERN = r"(?:[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?)?"
_USER = '"root"; without it, the image runs as uid 1000 and gid 0, and what it writes to mounts is yours'
BACKEND = 'the name of a backend: "podman", "docker", "auto", or one that another package provides'
_BACKEND_PATTERN = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?"
_CONTEXT = "the path of the directory that is sent to the build"
_DOCKERFILE = "the path of a Dockerfile or Containerfile"
_DEPENDENCIES_FILE = "the path, relative to the context, of a file of requirements, a lock, pyproject.toml, or a script"
_DEPENDENCIES = 'a list of requirements by PEP 508, such as ["requests>=2.31", "rich"]; [] for none'
_EXTRAS = 'a list of names of extras, such as ["cli"]'
_MEMBER = 'the name of a member of a uv workspace, such as "web"'
_GROUPS = 'a list of names of dependency groups, such as ["dev"]'
_NAME_OF_EXTRA = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?"
_SYSTEM_PACKAGES = (
    'a list of packages of the base image\'s own system, such as ["git", "libpq-dev"]'
)
_SYSTEM_PATTERN = (
    r"[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,98}[A-Za-z0-9+])?(?:=[A-Za-z0-9][A-Za-z0-9.:+~_-]{0,98})?"
)
"""A name that apt and apk read as nothing else (to apt, a final ``-`` means removal), with or without a version."""


def repository(value: object) -> str:
    """Read the option ``repository``."""
    found = text(value, REPOSITORY)
    try:
        parse_reference(f"{found}/name")
    except InvalidValueError as error:
        raise InvalidValueError(value, REPOSITORY, problem=error.problem) from None
    return found


def name(value: object) -> str:
    """Read the option ``name``."""
    found = text(value, _NAME)
    pattern = f"{COMPONENT}(?:/{COMPONENT})*"
    if len(found) > 255 or not re.fullmatch(pattern, found, re.ASCII):
        problem = ""
        if found != found.lower():
            problem = "it has upper-case letters"
        elif ":" in found:
            problem = "the tag has an option of its own, 'tag'"
        raise InvalidValueError(value, _NAME, problem=problem)
    return found


def tag(value: object) -> str:
    """Read the option ``tag``."""
    return matching(value, TAG, _TAG)


def py_version(value: object) -> str:
    """Read the option ``py_version``."""
    if isinstance(value, float):
        problem = "as a number, 3.1 and 3.10 would be the same"
        raise InvalidValueError(value, _PY_VERSION, problem=problem)
    if isinstance(value, int) and typed(value, int, _PY_VERSION) == 3:
        return "3"
    return matching(value, _PY_PATTERN, _PY_VERSION)


def variant(value: object) -> str:
    """Read the option ``variant``."""
    return matching(value, _VARIANT_PATTERN, _VARIANT)


def base_image(value: object) -> str:
    """Read the option ``base_image``: a reference as it was written; an image's id, ``sha256:…``, has the form of one."""
    image = text(value, REFERENCE)
    parse_reference(image).normalised()
    return image


def dockerfile(value: object) -> str:
    """Read the option ``dockerfile``."""
    return path(value, _DOCKERFILE)


def context(value: object) -> str:
    """Read the option ``context``."""
    return path(value, _CONTEXT)


def user(value: object) -> str:
    """Read the option ``user``."""
    matching(value, "root|0(?::0)?|root:(?:0|root)|0:root", _USER)
    return "root"


def dependencies_file(value: object) -> str:
    """Read the option ``dependencies_file``."""
    return path(value, _DEPENDENCIES_FILE)


def dependencies(value: object) -> tuple[str, ...]:
    """Read the option ``dependencies``; whether pip understands them is checked when dependencies are resolved."""
    return tuple(each(value, _requirement, _DEPENDENCIES))


def extras(value: object) -> tuple[str, ...]:
    """Read the option ``extras``."""
    return _names(value, _NAME_OF_EXTRA, _EXTRAS)


def groups(value: object) -> tuple[str, ...]:
    """Read the option ``groups``."""
    return _names(value, _NAME_OF_EXTRA, _GROUPS)


def member(value: object) -> str:
    """Read the option ``member``."""
    return matching(value, _NAME_OF_EXTRA, _MEMBER)


def system_packages(value: object) -> tuple[str, ...]:
    """Read the option ``system_packages``."""
    return _names(value, _SYSTEM_PATTERN, _SYSTEM_PACKAGES)


def backend(value: object) -> str:
    """Read the name of a backend; whether it exists is checked later.

    Raises:
        InvalidValueError: it cannot be the name of a backend.
    """
    return matching(value, _BACKEND_PATTERN, BACKEND)


def _requirement(value: object) -> str:
    requirement = text(value, _DEPENDENCIES).strip()
    if not requirement:
        raise InvalidValueError(value, _DEPENDENCIES, problem="it is empty")
    return requirement


def _names(value: object, pattern: str, accepts: str) -> tuple[str, ...]:
    names = each(value, lambda name: matching(name, pattern, accepts), accepts)
    return tuple(dict.fromkeys(names))
