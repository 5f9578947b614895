"""Classifies a requirement: whether it is Buildr itself, points into the source, or contains a password."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "is_buildr",
    "is_local",
    "is_requirement",
    "note_left_out",
    "note_password",
    "note_repository",
    "points_into_source",
    "without_password",
]

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_OWN_NAMES = ("buildr-oci", "buildr")
_ARCHIVES = (
    ".whl",
    ".zip",
    ".tar",
    ".tgz",
    ".tbz",
    ".txz",
    ".tlz",
    ".tar.gz",
    ".tar.bz2",
    ".tar.xz",
    ".tar.lz",
)
_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]*):"
_USERINFO = r"(https?://)[^/\s@]+@"
_PLACEHOLDERS = r"(?:[^:$]*:)?(?:\$\{[A-Z0-9_]+\}:?)+"  # beside a user's name, or for it as well
_PROGRAMS = {"hg": "mercurial", "svn": "subversion"}
"""The packages of programs that have another name."""
_VERSION = r"[0-9]+(?:\.[0-9]+)*"
_CLAUSE = rf"(?:[=!]= ?{_VERSION}(?:\.\*)?|~= ?{_VERSION}\.[0-9]+|[<>]=? ?{_VERSION})"
_PLAIN = rf"{_NAME}(?:\[{_NAME}(?:, ?{_NAME})*\])?(?: ?{_CLAUSE}(?: ?, ?{_CLAUSE})*)?"
"""A part of PEP 508 that needs no parser: names, extras, and plain versions."""


def is_requirement(text: str) -> bool:
    """Return whether a text is a requirement by PEP 508."""
    if re.fullmatch(_PLAIN, text, re.ASCII):
        return True
    from packaging.requirements import Requirement

    try:
        Requirement(text)
    except ValueError:  # InvalidRequirement is one, and so is a number of thousands of digits
        return False
    return True


def is_buildr(text: str) -> bool:
    """Return whether a requirement is Buildr itself, by its name (PEP 503), egg or archive.

    Args:
        text: a requirement without pip's options, or what follows ``-e``.
    """
    named = re.match(rf"({_NAME})\s*(?=$|[\[<>=!~;@(,\s])", text, re.ASCII)
    egg = re.search(rf"[#&]egg=({_NAME})", text, re.ASCII)
    for match in (named, egg):
        if match and re.sub(r"[-_.]+", "-", match[1]).lower() in _OWN_NAMES:
            return True
    archive = re.split(r"[#?;]", text)[0].strip().rpartition("/")[2].lower()
    return archive.endswith(_ARCHIVES) and bool(
        re.match(r"buildr(?:[-_.]+oci)?-[0-9]", archive, re.ASCII)
    )


def points_into_source(text: str) -> bool:
    """Return whether a requirement, without pip's options, is a path or the URL of a file."""
    named = re.match(rf"{_NAME}(?:\s*\[[^\]]*\])?\s*@\s*(.*)", text, re.ASCII | re.DOTALL)
    if named or re.match(_SCHEME, text, re.ASCII):
        return is_local(named[1] if named else text)
    head = re.sub(r"\[[^\[\]]*\]$", "", text.partition(";")[0].strip())
    return "/" in head or head.startswith(".") or head.lower().endswith(_ARCHIVES)


def is_local(location: str) -> bool:
    """Return whether a path or URL, where nothing else can stand, is on this machine."""
    scheme = re.match(_SCHEME, location, re.ASCII)
    return scheme is None or scheme[1].lower().split("+")[-1] == "file"


def without_password(text: str) -> str:
    """Return a text with users and passwords of URLs hidden."""
    return re.sub(r"(://)[^/\s]*@", r"\1…@", text)


def note_left_out(where: str) -> str:
    """Return the note that a requirement on Buildr itself is not installed."""
    return f"{where}: Buildr itself is left out, since what the script needs of it is in the image already"


def note_password(text: str, where: str) -> str | None:
    """Return a note if a line puts a user name or password into the image."""
    for match in re.finditer(_USERINFO, text):
        if not re.fullmatch(_PLACEHOLDERS, match[0].partition("://")[2][:-1]):
            return (
                f"{where}: the URL holds credentials, which will be stored in a layer of the image;"
                " write ${NAME} for them, and id=NAME in package.secrets"
            )
    return None


def note_repository(text: str, there: Collection[str]) -> str | None:
    """Return a note if pip needs a program that small base images lack.

    Args:
        text: a staged file of requirements.
        there: the packages of the system that are installed.
    """
    for match in re.finditer(r"(?m)^[^#\n]*?(?:^|[\s@=])(git|hg|svn|bzr)\+[a-z+]+:", text):
        package = _PROGRAMS.get(match[1], match[1])
        if not any(name.partition("=")[0] == package for name in there):
            return (
                f"a repository is fetched with {match[1]}, which small base images do not have:"
                f' package={{"system_packages": ["{package}"]}}'
            )
    return None
