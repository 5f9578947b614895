"""The interpreter options of this process: `python -O -W error app.py`."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEPT = "bBdOvx"  # options that affect the script; isolation would hide the guest part
_KEPT_WITH_VALUE = "WX"
_LAST = "cm"  # the program follows
_LONG_WITH_VALUE = ("--check-hash-based-pycs",)


def own_options() -> tuple[str, ...]:
    """Return the options of this process that a guest gets, too."""
    return interpreter_options(sys.orig_argv)


def own_arguments(program: str, directory: str) -> tuple[str, ...]:
    """Return the original arguments of this process's program, even if `sys.argv` has changed.

    Args:
        program: the absolute path of the script, or the name behind ``-m``.
        directory: the absolute path of the directory in which the process was started.
    """
    _, rest = _split(sys.orig_argv)
    if rest[:2] == ["-m", program]:
        return tuple(rest[2:])
    if rest and os.path.normpath(os.path.join(directory, rest[0])) == program:
        return tuple(rest[1:])
    return tuple(sys.argv[1:])  # it was started in another way


def interpreter_options(words: Sequence[str]) -> tuple[str, ...]:
    """Return the options that a guest's interpreter gets, too, each as one or two words.

    Args:
        words: the command line, beginning with the interpreter: `sys.orig_argv`.
    """
    return tuple(_split(words)[0])


def is_python(program: str) -> bool:
    """Whether a command's first word is a Python: ``python``, ``/usr/bin/python3.12``."""
    return re.fullmatch(r"python[0-9.]*", os.path.basename(program)) is not None


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the options to keep, and the rest from the program on: ``-m`` and a name, or a script."""
    kept: list[str] = []
    left = list(words[1:])
    while left and left[0].startswith("-") and left[0] != "-":
        word = left.pop(0)
        if word.startswith("--"):
            del left[: word in _LONG_WITH_VALUE]
            continue
        for index, letter in enumerate(word[1:], start=2):
            if letter in _LAST:
                value = [word[index:]] if word[index:] else []
                return kept, [f"-{letter}", *value, *left]
            if letter in _KEPT_WITH_VALUE:
                kept += (f"-{letter}", word[index:] or (left.pop(0) if left else ""))
                break
            if letter in _KEPT:
                kept.append(f"-{letter}")
    return kept, left
