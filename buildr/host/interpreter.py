"""The options that Python itself was started with: `python -O -W error app.py`."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_KEPT = "bBdOvx"  # what changes how a script runs; what isolates an interpreter would hide the guest part
_KEPT_WITH_VALUE = "WX"
_LAST = "cm"  # what follows is the program
_LONG_WITH_VALUE = ("--check-hash-based-pycs",)


def own_options() -> tuple[str, ...]:
    """Return the options that this process was started with, and a guest is, too."""
    return interpreter_options(sys.orig_argv)


def interpreter_options(words: Sequence[str]) -> tuple[str, ...]:
    """Return those options that a guest's interpreter gets, too, one or two words each.

    Args:
        words: of the command line, the interpreter's own name first: `sys.orig_argv`.
    """
    return tuple(_kept(iter(words[1:])))


def is_python(program: str) -> bool:
    """Whether a command's first word is a Python: ``python``, ``/usr/bin/python3.12``."""
    return re.fullmatch(r"python[0-9.]*", os.path.basename(program)) is not None


def _kept(words: Iterator[str]) -> Iterator[str]:
    for word in words:
        if word in _LONG_WITH_VALUE:
            next(words, None)
        if word.startswith("--"):
            continue
        if len(word) < 2 or word[0] != "-":
            return
        for index, letter in enumerate(word[1:], start=2):
            if letter in _LAST:
                return
            if letter in _KEPT_WITH_VALUE:
                yield from (f"-{letter}", word[index:] or next(words, ""))
                break
            if letter in _KEPT:
                yield f"-{letter}"
