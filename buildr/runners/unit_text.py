"""Quotes text for systemd units, so that Podman's generator and then systemd read it unchanged."""

from __future__ import annotations

import re

from buildr.errors import OptionError

__all__ = ["argument", "comment", "doubled", "word"]

_PLAIN = r"[\w./:=,@+-]+"  # a word that needs no quotes


def argument(text: str) -> str:
    """Quote an argument of the script.

    Raises:
        OptionError: Podman's generator would lose it.
    """
    if text in ("", ";"):
        # Its splitting ends at an empty word, and it writes a semicolon without quotes, which separates commands for
        # systemd.
        raise OptionError(
            f"the argument {text!r} cannot be written into a unit: Podman's generator would lose it",
            hint="Hand it over in a variable (--env), or leave it out.",
        )
    return word(text)


def word(text: str) -> str:
    """Quote one word."""
    if re.fullmatch(_PLAIN, text, re.ASCII):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    escaped = re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", escaped)
    return f'"{doubled(escaped)}"'


def doubled(text: str) -> str:
    """Escape ``%`` and ``$``, which systemd would replace, by doubling them."""
    return text.replace("%", "%%").replace("$", "$$")


def comment(text: str) -> str:
    """Write text for a comment: on one line, without a backslash at the end."""
    return "".join(c if c.isprintable() else "?" for c in text).rstrip("\\")
