"""Buildr's messages: plain lines on standard error."""

from __future__ import annotations

import contextlib
import os
import sys

from buildr.errors import terminal_safe

PREFIX = "buildr: "
_RED, _YELLOW = "31", "33"  # of SGR, ECMA-48


def say(text: str) -> None:
    """Write lines to standard error, unless it is closed."""
    _write(PREFIX, text)


def say_nothing(_text: str) -> None:
    """Write nothing: replaces `say` if the user asked for quiet."""


def warn(text: str) -> None:
    """Write a warning."""
    _write(f"{PREFIX}{_painted('warning:', _YELLOW)} ", text)


def error(text: str) -> None:
    """Write an error: its first line says what failed, the rest what to do."""
    _write(f"{PREFIX}{_painted('error:', _RED)} ", text)


def ask(text: str) -> None:
    """Write a question, to be answered on the same line."""
    _write(PREFIX, text, end="")


def end_line() -> None:
    """End a line that the user has not ended."""
    _write("", "")


def is_terminal() -> bool:
    """Whether standard error is a terminal that shows moving text."""
    try:
        return os.isatty(2) and os.environ.get("TERM", "") != "dumb"
    except OSError:
        return False


def colours_wanted() -> bool:
    """Whether the user wants colours on a terminal: https://no-color.org."""
    return not os.environ.get("NO_COLOR")


def _painted(word: str, colour: str) -> str:
    return f"\x1b[1;{colour}m{word}\x1b[0m" if is_terminal() and colours_wanted() else word


def _is_raw() -> bool:
    """Whether standard error is a terminal in raw mode, where a newline does not return the carriage."""
    if not os.isatty(2):
        return False
    import termios

    try:
        return not termios.tcgetattr(2)[1] & termios.OPOST
    except termios.error:  # the terminal is gone
        return False


def _write(prefix: str, text: str, *, end: str = "\n") -> None:
    if "://" in text and "@" in text:
        from buildr.host.confidential import without_logins

        text = without_logins(text)
    line = f"{prefix}{terminal_safe(text)}{end}"  # names and messages may be untrusted
    if _is_raw():
        line = line.replace("\n", "\r\n")
    # Raw, so that a replaced or broken sys.stderr neither hides nor breaks an error.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()
    with contextlib.suppress(OSError):
        os.write(2, line.encode(errors="backslashreplace"))
