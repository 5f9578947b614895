"""Finds what options request beyond the project's folder and a private network.

A project's file may ask for what lies in the folder that it is in. All that reaches further, each as people can judge it, is listed
here; `buildr.config.trust` asks the user for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.config import reach_of_image, reach_of_run
from buildr.config.layers import Reach
from buildr.context.entries import printable

if TYPE_CHECKING:
    from buildr.config.given import Given

__all__ = ["RULES", "reaches"]


def reaches(given: Given) -> tuple[Reach, ...]:
    """Return the requests of a place beyond the project's folder and a private network, in the order of the options."""
    return tuple(
        Reach(option, printable(what))
        for option, rule in RULES.items()
        if option in given.values
        for what in rule(given, given.values[option])
    )


RULES = {**reach_of_image.RULES, **reach_of_run.RULES}
"""What each option may ask for, by its key, ``runtime.mounts``. An option that is declared as confined has no row."""
