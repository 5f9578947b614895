"""Build secrets: what the installation of dependencies can see, and nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from buildr.options.errors import Accepts, InvalidValueError
from buildr.options.reading import record
from buildr.options.values import each, matching, path, text

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HOST_PIP", "BuildSecret", "build_secrets"]

HOST_PIP = "pip"
"""The id of pip's settings on this host: indexes with their logins, certificates, a proxy."""

_ACCEPTS = Accepts(
    '"pip" (pip\'s settings on this host), "id=NAME,src=FILE", "id=NAME,env=VARIABLE", "id=VARIABLE"',
    'BuildSecret(id, src, env), or a dict {"id": …, "src": …}',
)
_LIST = f"a list of secrets; each {_ACCEPTS}"
_ID = "up to 64 letters, digits, and _ . - (not first)"
_ID_PATTERN = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"
_VARIABLE = "the name of an environment variable: letters, digits and _, not beginning with a digit"
_VARIABLE_PATTERN = r"[A-Za-z_][A-Za-z0-9_]*"
_SRC = "the path of a file, absolute, or relative to the context"


class BuildSecret(Struct, frozen=True):
    """A secret that is available while dependencies are installed, and reaches no layer, no history and no log.

    With a Containerfile of the user's own, steps ask for it by ``RUN --mount=type=secret,id=ID``.

    Attributes:
        id: its name. With ``src``, the file is ``/run/secrets/<id>`` during the installation, and pip uses ``pip.conf``,
            ``netrc`` and ``cert``; with ``env``, it is the name of the variable there. Alone, it is the variable of this name, or
            ``pip``: all of pip's settings on this host.
        src: a file of this host.
        env: an environment variable of this host.
    """

    id: str
    src: str | None = None
    env: str | None = None


def build_secrets(value: object) -> tuple[BuildSecret, ...]:
    """Read the option ``secrets``.

    Raises:
        InvalidValueError: it is not a list of secrets, or two of them have one id.
    """
    found = tuple(each(value, _secret, _LIST))
    seen: set[str] = set()
    for index, secret in enumerate(found):
        if secret.id in seen:
            raise InvalidValueError(
                secret.id, _ID, problem="two secrets have this id", path=(index,)
            )
        seen.add(secret.id)
    return found


def _secret(value: object) -> BuildSecret:
    if isinstance(value, str):
        value = _fields(value)
    secret = BuildSecret(**record(value, BuildSecret, _READERS, required=("id",), accepts=_ACCEPTS))
    if secret.src is not None and secret.env is not None:
        raise InvalidValueError(value, _ACCEPTS, problem="src and env cannot be combined")
    if secret.id == HOST_PIP:
        if secret.src is not None or secret.env is not None:
            problem = "'pip' means pip's settings on this host; a file is id=pip.conf"
            raise InvalidValueError(value, _ACCEPTS, problem=problem)
        return secret
    if secret.src is None:
        if not re.fullmatch(_VARIABLE_PATTERN, secret.id, re.ASCII):
            problem = "without src, the id is the name of a variable"
            raise InvalidValueError(secret.id, _VARIABLE, problem=problem, path=(".id",))
        return BuildSecret(id=secret.id, env=secret.env or secret.id)
    return secret


def _fields(value: str) -> dict[str, str]:
    """Split ``id=NAME,src=FILE``, the form that ``docker build --secret`` and ``podman build --secret`` take."""
    given = text(value, _ACCEPTS)
    if given == HOST_PIP:
        return {"id": HOST_PIP}
    found: dict[str, str] = {}
    for part in given.split(","):
        name, equals, content = part.partition("=")
        name = "src" if name == "source" else name
        if not equals or name in found or name not in _READERS:
            # Only the names: a secret that is written here by mistake must not appear in a log.
            problem = "it is not of the form name=value,name=value with the names id, src and env"
            raise InvalidValueError(value, _ACCEPTS, problem=problem, secret=True)
        found[name] = content
    return found


_READERS: dict[str, Callable[[Any], str]] = {
    "id": lambda value: matching(value, _ID_PATTERN, _ID),
    "src": lambda value: path(value, _SRC),
    "env": lambda value: matching(value, _VARIABLE_PATTERN, _VARIABLE),
}
