"""Yes-or-no questions on a terminal."""

from __future__ import annotations

import os
import termios
from contextlib import suppress

from buildr.host import console

__all__ = ["agreed", "can_ask"]

_LONGEST_ANSWER = 1024
_YES = ("y", "yes")


def can_ask() -> bool:
    """Whether standard input and standard error are terminals: the question is written to the one, and answered on the other."""
    try:
        return os.isatty(0) and os.isatty(2)
    except OSError:
        return False


def agreed(question: str) -> bool:
    """Ask a yes-or-no question and return the answer; anything but yes counts as no.

    Args:
        question: one or several lines, without the choices.
    """
    with suppress(termios.error):  # discard what was typed before the question was asked
        termios.tcflush(0, termios.TCIFLUSH)
    console.ask(f"{question} [y/N] ")
    try:
        answer = os.read(0, _LONGEST_ANSWER)
    except OSError:  # the terminal is gone
        return False
    if not answer.endswith(b"\n"):
        console.end_line()
    return answer.decode(errors="replace").strip().lower() in _YES
