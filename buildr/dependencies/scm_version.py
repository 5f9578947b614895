"""Versions from Git: for an installation without ``.git``, variables of the host can set them.

Each of these variables is read by a build back end or its plug-in; its value is a version.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["scm_versions"]

_NAMES = (
    r"(?:SETUPTOOLS_SCM|VCS_VERSIONING)_PRETEND_VERSION(?:_FOR_[A-Z0-9_]+)?|PDM_BUILD_SCM_VERSION|PBR_VERSION"
    r"|POETRY_DYNAMIC_VERSIONING_BYPASS"
)
_VALUE = r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,99}"


def scm_versions(environ: Mapping[str, str] | None = None) -> tuple[tuple[str, str], ...]:
    """Return the variables of this host by which it says a version, sorted, with their values.

    Args:
        environ: the environment; by default this process's.
    """
    environ = os.environ if environ is None else environ
    return tuple(
        (name, environ[name])
        for name in sorted(environ)
        if re.fullmatch(_NAMES, name) and re.fullmatch(_VALUE, environ[name])
    )
