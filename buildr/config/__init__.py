"""Where options come from: flags, ``BUILDR_*`` variables, the decorator, ``[tool.buildr]``; the first one that sets an option wins.

Each place is a `Layer` of values that are valid by themselves; `settle` merges the layers. All of it happens on the host: a guest
gets the result. It may import `buildr.plan` and what is below it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from buildr.config.layers import Layer, Settings, merge
from buildr.config.project_file import read_project_file
from buildr.config.variables import read_variables
from buildr.plan.placement import place
from buildr.plan.root import find_root

if TYPE_CHECKING:
    from buildr.plan.entry import Entry

__all__ = ["Layer", "Settings", "settle", "settle_here"]


def settle(entry: Entry, own: Layer, *, decorator: Layer | None = None) -> Settings:
    """Return the options of a program.

    Args:
        entry: the program.
        own: what the command line gives, or the decorator: a run has one of them.
        decorator: what the decorator gives, for a command that reads it from the source.

    Raises:
        OptionError: an option is invalid in any of the places, or two of one place cannot be combined.
        ContextError: the context cannot be one.
    """
    upper = [*_upper(own), *([decorator] if decorator else [])]
    named = (layer.package["context"] for layer in upper if "context" in layer.package)
    return merge(_with_file(upper, place(entry, next(named, None)).context))


def settle_here(own: Layer) -> Settings:
    """Return the options of programs in the project that the current directory belongs to.

    Raises:
        OptionError: see `settle`.
    """
    here = os.getcwd()
    root = find_root(here)
    return merge(_with_file(_upper(own), here if root is None else root.directory))


def _upper(own: Layer) -> list[Layer]:
    variables = read_variables(os.environ)
    return [own, variables] if own.is_command_line else [variables, own]


def _with_file(upper: list[Layer], directory: str) -> list[Layer]:
    file = read_project_file(directory)
    return upper if file is None else [*upper, file]
