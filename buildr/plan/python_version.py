"""Finds the Python version that a project requests without the option ``py_version``."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from buildr.dependencies.files import read_bytes
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from packaging.specifiers import SpecifierSet

    from buildr.dependencies import Dependencies

__all__ = ["infer_python_version", "python_notes", "required_python"]

_NEWEST = 14
"""The minor version of the newest Python 3 that is certainly released; an older Buildr uses an older image."""
_OLDEST = 8
"""The minor version of the oldest Python that the guest part supports."""
_FAR = 999
_FILE = ".python-version"
_OF_PROJECT = "requires-python in pyproject.toml"
_RANGE = ("<", ">", "=", "~", "!")
"""The operators at the beginning of a range."""
_OPEN = r"\s*>=\s*3(?:\.[0-9]{1,2}){0,2}\s*(?:,\s*<\s*4(?:\.0)*\s*)?"
"""A range without an upper bound below 4, recognized without importing ``packaging``."""
_PIN = (
    r"(?:c?python[-@]?|cp|v)?"
    r"(?:(?P<version>3(?:\.[0-9]{1,2}){0,2})|3(?P<minor>[0-9]{1,2}))"
    r"(?P<pre>(?:a|b|rc)[0-9]{1,2})?"
    r"(?P<any>\.\*)?"
    r"(?:(?P<free>t|\+freethreaded)?(?P<debug>d|\+debug)?)"
    r"(?P<dev>-dev)?"
    r"(?:-[a-z].*|/envs/.*)?"
)
"""pyenv's and uv's forms: ``3.12``, ``3.12.4``, ``3.12.*``, ``3.14.0rc1``, ``3.13t``, ``3.13+debug``, ``3.15-dev``,
``cpython-3.12``, ``cp312``, ``cpython-3.12.4-linux-x86_64-gnu``, and ``3.12.4/envs/name`` for a virtual environment.
"""
_ELSEWHERE = (
    (".tool-versions", r"(?m)^python[ \t]+(\S+)"),
    ("mise.toml", r"(?m)^python\s*=\s*[\"']([^\"']+)"),
    (".mise.toml", r"(?m)^python\s*=\s*[\"']([^\"']+)"),
    ("runtime.txt", r"^python-(\S+)"),
)
"""Files of other tools with a version of Python, and their formats."""


def infer_python_version(
    context: Path, requires_python: tuple[str, str] | None
) -> tuple[str, str] | None:
    """Find the version of Python that a project requests.

    Args:
        context: the context.
        requires_python: the range in the script's inline metadata or the source of dependencies, and its origin.

    Returns:
        The version, ``3``, ``3.12`` or ``3.12.4``, and where it was found; ``None`` where nothing is said.
        ``.python-version`` comes first, then ``requires_python``, then ``pyproject.toml``. A range
        without an upper bound gives ``3``, the newest there is; otherwise the newest minor inside it.

    Raises:
        DependencyError: a file cannot be read or is invalid, or requests an unsupported Python.
    """
    pinned = _pinned(context)
    if pinned is not None:
        return pinned, _FILE
    if requires_python is not None:
        asked, where = requires_python
        return _newest(asked, where), where
    of_project = _of_project(context)
    return (_newest(of_project, _OF_PROJECT), _OF_PROJECT) if of_project is not None else None


def required_python(context: Path, dependencies: Dependencies | None) -> tuple[str, str] | None:
    """Return the range of Python versions of a project, and its origin; ``None`` if there is none.

    Args:
        context: the context.
        dependencies: the dependencies of the project, whose source may require a Python.

    Raises:
        DependencyError: ``pyproject.toml`` cannot be read.
    """
    if dependencies is not None and dependencies.requires_python is not None:
        return dependencies.requires_python, dependencies.python_source
    of_project = _of_project(context)
    return (of_project, _OF_PROJECT) if of_project is not None else None


def _read(context: Path, name: str) -> str | None:
    """Return a file of the context as text; ``None`` if it does not exist."""
    path = os.path.join(context, name)
    if not os.path.lexists(path):
        return None
    try:
        return read_bytes(path, name).decode("utf-8-sig")
    except UnicodeError:
        raise DependencyError(f"{name} is not UTF-8", hint="save it as UTF-8") from None


def python_notes(context: Path, taken: str, origin: str | None) -> tuple[str, ...]:
    """Return notes for the user about files with a version of Python, a line each.

    Args:
        context: the context.
        taken: the chosen version.
        origin: its origin, as returned by `infer_python_version`; ``None``: it is the newest.
    """
    requests = _requests(context)
    usable = [request for request in requests if _version_of(request) is not None]
    notes = [
        f".python-version: {request[:60]!r} is not a version of CPython; Python {taken} is taken"
        for request in requests
        if request not in usable
    ]
    if usable and origin == _FILE:
        match = re.fullmatch(_PIN, usable[0], re.ASCII)
        if match and (kind := (match["free"] and "free-threaded") or (match["debug"] and "debug")):
            notes.append(
                f".python-version: {usable[0]!r} is a {kind} build, and the official images have none;"
                f" Python {taken} is taken"
            )
        if len(usable) > 1:
            others = ", ".join(usable[1:])
            notes.append(f".python-version names several versions; not taken: {others[:60]}")
    if origin is None and not requests:
        notes += _named_elsewhere(context, taken)
    return tuple(notes)


def _named_elsewhere(context: Path, taken: str) -> Iterator[str]:
    for name, pattern in _ELSEWHERE:
        try:
            found = re.search(pattern, _read(context, name) or "")
        except DependencyError:
            continue  # an unknown format belongs to another tool
        if found:
            yield (
                f"{name} is not read, which names Python {found[1][:60]}; Python {taken} is taken:"
                " .python-version or py_version names another"
            )


def _requests(context: Path) -> list[str]:
    """Return the requests of ``.python-version``: a range, or the words of each line, as in pyenv."""
    found = []
    for line in (_read(context, _FILE) or "").splitlines():
        text = line.partition("#")[0].strip()
        found += [text] if text.startswith(_RANGE) else text.split()
    return found


def _pinned(context: Path) -> str | None:
    """Return the first usable request of ``.python-version``; implementations other than CPython are not."""
    found = (_version_of(request) for request in _requests(context))
    return next((version for version in found if version is not None), None)


def _version_of(request: str) -> str | None:
    """Return the version of a request in the format of the official images' tags; ``None`` if it is invalid.

    Raises:
        DependencyError: Buildr cannot run it.
    """
    if request.startswith(_RANGE):
        return _newest(request, _FILE)
    if re.fullmatch(r"(?:python-?)?2(?:\.[0-9]+)*", request, re.ASCII):
        raise _too_old(request, _FILE)
    match = re.fullmatch(_PIN, request, re.ASCII)
    if match is None:
        return None
    version = match["version"] or f"3.{match['minor']}"
    minor = int(version.split(".")[1]) if "." in version else _NEWEST
    if minor < _OLDEST:
        raise _too_old(version, _FILE)
    if match["dev"] and minor > _NEWEST:
        return f"3.{minor}-rc"  # the tag of unreleased versions
    return version + (match["pre"] or "")


def _of_project(context: Path) -> str | None:
    text = _read(context, "pyproject.toml")
    if text is None or "requires-python" not in text:
        return None
    from tomllib import loads

    try:
        project = loads(text).get("project", {})
    except (ValueError, RecursionError) as error:
        raise DependencyError(
            f"pyproject.toml is not valid TOML: {error}",
            hint='correct it, or set package={"py_version": …}',
        ) from None
    asked = project.get("requires-python") if isinstance(project, dict) else None
    if asked is not None and not isinstance(asked, str):
        raise DependencyError(
            "requires-python in pyproject.toml is not a string",
            hint='accepted: requires-python = ">=3.11"',
        )
    return asked


def _newest(asked: str, where: str) -> str:
    """Return the newest Python in a range that is known to be released."""
    if re.fullmatch(_OPEN, asked, re.ASCII):
        return "3"
    from packaging.specifiers import SpecifierSet

    try:
        version = _newest_in(SpecifierSet(asked))
    except ValueError:  # includes InvalidSpecifier, and numbers of thousands of digits
        raise DependencyError(
            f"{where} cannot be {asked[:60]!r}", hint='accepted: a range such as ">=3.11,<3.14"'
        ) from None
    if version is None:
        raise _too_old(asked, where)
    return version


def _newest_in(allowed: SpecifierSet) -> str | None:
    if f"3.{_FAR}.{_FAR}" in allowed:
        return "3"
    minors = (*range(_NEWEST, _OLDEST - 1, -1), *range(_NEWEST + 1, 100))
    versions = (_newest_of_minor(allowed, minor) for minor in minors)
    return next((version for version in versions if version is not None), None)


def _newest_of_minor(allowed: SpecifierSet, minor: int) -> str | None:
    if f"3.{minor}.{_FAR}" in allowed:
        return f"3.{minor}"
    patches = (f"3.{minor}.{patch}" for patch in range(40, -1, -1))
    return next((version for version in patches if version in allowed), None)


def _too_old(asked: str, where: str) -> DependencyError:
    return DependencyError(
        f"{where} asks for Python {asked[:60]}, and Buildr runs scripts on CPython 3.{_OLDEST} or newer",
        hint='change it, or set package={"py_version": "3.12"}',
    )
