"""The values of a project's secrets, to search for in uploads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from buildr.context.lookout import Lookout
from buildr.engines.records import BuildSecrets
from buildr.errors import BuildrError

if TYPE_CHECKING:
    from collections.abc import Callable

    from buildr.plan.project import Project

__all__ = ["lookout", "own_secrets"]

_LONG = 12  # a value of this length, with letters and digits, does not appear by chance


def lookout(project: Project) -> Lookout | None:
    """Return a lookout for the values of the project's secrets; ``None`` if there are none.

    A missing secret is skipped, since it is needed only for an installation.
    """
    words: dict[str, str] = {}
    for secret in project.package.secrets:
        from buildr.installer.secrets import read_secrets

        try:
            # Running pip would delay each edit.
            words |= read_secrets((secret,), str(project.context), ask_pip=False).sought
        except BuildrError:
            continue
    for path in project.env_files:
        words |= _of_env_file(path)
    return Lookout(words) if words else None


def own_secrets(project: Project) -> tuple[BuildSecrets, Callable[[str], str]]:
    """Return the secrets that a build from the user's own Containerfile may ask for, and what hides their values in a text.

    Raises:
        OptionError: a variable is not set, or a file cannot be read.
    """
    if not project.package.secrets:
        return BuildSecrets(), str
    from buildr.installer.secrets import read_secrets

    found = read_secrets(project.package.secrets, str(project.context))
    values = {
        name: value.encode("utf-8", "surrogateescape")
        for name, value in {**found.variables, **found.files}.items()
    }
    return BuildSecrets(values), found.hide


def _of_env_file(path: str) -> dict[str, str]:
    from buildr.host.confidential import is_confidential, logins
    from buildr.plan.env_files import read_env_files

    try:
        found = read_env_files((path,))
    except BuildrError:
        return {}
    words: dict[str, str] = {}
    for name, value in found.items():
        if value is None:  # the host's
            continue
        for word in [*([value] if is_confidential(name) else []), *logins(value)]:
            if len(word) >= _LONG and re.search("[A-Za-z]", word) and re.search("[0-9]", word):
                words[word] = name
    return words
