"""Mounts: directories and files of the host, and named volumes, inside the container."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from buildr.errors import Message, OptionError, OptionName
from buildr.options.errors import Accepts, InvalidValueError
from buildr.options.reading import record
from buildr.options.values import container_path, each, flag, path, refuse_repeated, text

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Mount", "mount_source", "mounts"]

_ACCEPTS = Accepts(
    '"source:/target", "source:/target:ro" (or rw, z, Z, joined by commas)',
    'a dict {"source": …, "target": …, "read_only": …, "relabel": …}',
)
_LIST = f"a list of mounts; each {_ACCEPTS}"
_SOURCE = 'a path such as "./data", "~/data" or "/srv/data", or the name of a volume'
_TARGET = "an absolute path inside the container, not '/' and without '..'"
_VOLUME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"
"""Both engines' grammar of a volume's name."""


class Mount(Struct, frozen=True):
    """A directory or file of the host, or a named volume, that the container sees.

    Attributes:
        source: a path with a slash in it, or beginning with ``.`` or ``~``; otherwise a volume's name.
        target: where it appears, an absolute path inside the container.
        read_only: whether the container may only read it.
        relabel: the SELinux label to give: ``z`` shared, ``Z`` private, empty none.
    """

    source: str
    target: str
    read_only: bool = False
    relabel: Literal["", "z", "Z"] = ""

    @property
    def is_volume(self) -> bool:
        """Whether the source is a named volume."""
        return "/" not in self.source and not self.source.startswith((".", "~"))


def mount_source(mount: Mount, base: str) -> str:
    """Return the source as an engine takes it: a volume's name, or an absolute path.

    Args:
        mount: a validated mount.
        base: the absolute path of the directory that a relative source starts from.

    Raises:
        OptionError: the user in ``~user`` does not exist.
    """
    if mount.is_volume:
        return mount.source
    expanded = os.path.expanduser(mount.source)
    if expanded.startswith("~") and mount.source.startswith("~"):
        raise OptionError(
            Message(
                OptionName("runtime.mounts"),
                f": the home directory of {mount.source!r} is unknown",
            ),
            hint="accepted: an absolute path, or one that begins with './'",
        )
    return os.path.normpath(os.path.join(base, expanded))


def mounts(value: object) -> tuple[Mount, ...]:
    """Read the option ``mounts``.

    Raises:
        InvalidValueError: it is not a list of mounts, or two of them have one target.
    """
    found = tuple(each(value, _mount, _LIST))
    refuse_repeated((mount.target for mount in found), _TARGET, "two mounts have this target")
    return found


def _mount(value: object) -> Mount:
    if not isinstance(value, str):
        return Mount(
            **record(value, Mount, _READERS, required=("source", "target"), accepts=_ACCEPTS)
        )
    parts = text(value, _ACCEPTS).split(":")
    if len(parts) not in {2, 3}:
        problem = "a path that contains a colon needs the dict" if len(parts) > 3 else ""
        raise InvalidValueError(value, _ACCEPTS, problem=problem)
    options = parts[2].split(",") if len(parts) == 3 else []
    access = {option for option in options if option in {"ro", "rw"}}
    relabel = {option for option in options if option in {"z", "Z"}}
    if len(access) + len(relabel) != len(options) or len(access) > 1 or len(relabel) > 1:
        problem = "the target can be followed by one of ro and rw, and one of z and Z"
        raise InvalidValueError(value, _ACCEPTS, problem=problem)
    return Mount(
        source=_source(parts[0]),
        target=_target(parts[1]),
        read_only="ro" in access,
        relabel=_relabel("".join(relabel)),
    )


def _source(value: object) -> str:
    source = path(value, _SOURCE)
    if "/" in source or source.startswith((".", "~")):
        return source
    if isinstance(value, os.PathLike):
        return f"./{source}"
    if not re.fullmatch(_VOLUME, source, re.ASCII):
        problem = "a path needs a slash, such as './data', and this is not the name of a volume"
        raise InvalidValueError(value, _SOURCE, problem=problem)
    return source


def _target(value: object) -> str:
    return container_path(value, _TARGET)


def _relabel(value: object) -> Literal["", "z", "Z"]:
    for label in ("", "z", "Z"):
        if value == label:
            return label
    raise InvalidValueError(value, '"z", "Z" or empty')


_READERS: dict[str, Callable[[Any], Any]] = {
    "source": _source,
    "target": _target,
    "read_only": flag,
    "relabel": _relabel,
}
