"""What Buildr says to the user: plain lines on standard error, which the guest's output never shares."""

from __future__ import annotations

import contextlib
import os
import sys

PREFIX = "buildr: "


def say(text: str) -> None:
    """Write one line, or a few, on standard error; nothing if it is closed."""
    _write(f"{PREFIX}{text}\n")


def warn(text: str) -> None:
    """Write a warning."""
    _write(f"{PREFIX}warning: {text}\n")


def error(text: str) -> None:
    """Write an error: its first line says what failed, the rest what to do."""
    _write(f"{PREFIX}error: {text}\n")


def is_terminal() -> bool:
    """Whether standard error is a terminal that shows moving text."""
    try:
        return os.isatty(2) and os.environ.get("TERM", "") != "dumb"
    except OSError:
        return False


def _write(text: str) -> None:
    # Raw, so that a replaced or broken sys.stderr neither hides nor breaks an error.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    with contextlib.suppress(OSError):
        os.write(2, text.encode(errors="backslashreplace"))
