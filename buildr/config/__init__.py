"""The sources of options: flags, ``BUILDR_*`` variables, the decorator, ``[tool.buildr]``; the first one that sets an option wins.

Each source is a `Layer` of valid values, and `settle` merges them on the host; code that acts on the options first
calls `buildr.config.trust.allow`, since a project's file may request more than the project. It may import `buildr.plan`
and everything below.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from buildr.config.layers import DECORATOR, Layer, Settings, merge
from buildr.config.project_file import read_project_file
from buildr.config.trust import IGNORE_VARIABLE, is_set
from buildr.config.variables import read_variables
from buildr.errors import ContextError
from buildr.plan.placement import place
from buildr.plan.root import find_root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.config.layers import Reach
    from buildr.plan.entry import Entry

__all__ = ["FileUse", "Layer", "Settings", "settle", "settle_here"]


class FileUse(Struct, frozen=True, kw_only=True):
    """The command line's settings for the project's file.

    Attributes:
        ignored: whether its options are ignored.
        trusted: whether it may request more than the project's folder and a private network.
    """

    ignored: bool = False
    trusted: bool = False


def settle(
    entry: Entry, own: Layer, *, decorator: Layer | None = None, file: FileUse | None = None
) -> Settings:
    """Return the options of a program.

    Args:
        entry: the program.
        own: what the command line gives, or the decorator: a run has one of them.
        decorator: what the decorator gives, for a command that reads it from the source.
        file: what the command line says of the project's file.

    Raises:
        OptionError: an option is invalid in any of the places, or two of one place cannot be combined.
        ContextError: the context cannot be one.
    """
    upper = [*_upper(own), *([decorator] if decorator else [])]
    named = next((layer.package["context"] for layer in upper if "context" in layer.package), None)
    context = place(entry, named).context
    settings = _settled(upper, context, file or FileUse())
    code = next((layer for layer in upper if layer.origin == DECORATOR), None)
    if code is None or not (code.package or code.runtime):
        return settings
    project = context if named is None else _own_folder(entry, context)
    start = entry.directory or os.getcwd()
    shows = _reaches(code, settings, upper, (project, start, context))
    return replace(settings, shows=shows)


def settle_here(own: Layer, file: FileUse | None = None) -> Settings:
    """Return the options of programs in the project that the current directory belongs to.

    Raises:
        OptionError: see `settle`.
    """
    here = os.getcwd()
    root = find_root(here)
    return _settled(_upper(own), here if root is None else root.directory, file or FileUse())


def _upper(own: Layer) -> list[Layer]:
    variables = read_variables(os.environ)
    return [own, variables] if own.is_command_line else [variables, own]


def _settled(upper: Sequence[Layer], folder: str, said: FileUse) -> Settings:
    """Merge layers with the file in a folder, if it counts."""
    ignored = said.ignored or is_set(IGNORE_VARIABLE)
    file = None if ignored else read_project_file(folder)
    if file is None:
        return replace(merge(upper), project=folder)
    settings = merge([*upper, file])
    is_own = settings.origins.get("package.context") == file.origin
    context = file.package["context"] if is_own else folder
    return replace(
        settings,
        asks=_reaches(file, settings, upper, (folder, folder, context)),
        file=file.origin,
        project=folder,
        trusted=said.trusted,
    )


def _reaches(
    layer: Layer, settings: Settings, layers: Sequence[Layer], paths: tuple[str, str, str]
) -> tuple[Reach, ...]:
    """Return the requests of a place beyond the project's folder and a private network.

    Args:
        layer: the place.
        settings: what came of all places.
        layers: those above it, and perhaps itself and others below.
        paths: the project's folder, where relative paths of this place start, and the context.
    """
    from buildr.config.given import Places, given_by
    from buildr.config.project_folder import Folder
    from buildr.config.reach import reaches

    folder, start, context = paths
    places = Places(folder=Folder(folder), start=start, context=os.path.expanduser(context))
    higher = list(itertools.takewhile(lambda other: other is not layer, layers))
    return reaches(given_by(layer, settings, higher, places))


def _own_folder(entry: Entry, named: str) -> str:
    """Return the folder of a program's project where its decorator names another context."""
    try:
        return place(entry, None).context
    except ContextError:
        return named
