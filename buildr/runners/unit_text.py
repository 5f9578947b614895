"""Text in a systemd unit, written so that Podman's generator and then systemd read it back unchanged."""

from __future__ import annotations

import re

from buildr.errors import OptionError

__all__ = ["argument", "comment", "doubled", "word"]

_PLAIN = r"[\w./:=,@+-]+"  # a word that needs no quotes


def argument(text: str) -> str:
    """Write an argument of the script.

    Raises:
        OptionError: Podman's generator loses it.
    """
    if text in ("", ";"):
        # Its splitting ends at an empty word; and it writes a semicolon without quotes, which ends a command for systemd.
        raise OptionError(
            f"the argument {text!r} cannot be written into a unit: Podman's generator would lose it",
            hint="Hand it over in a variable (--env), or leave it out.",
        )
    return word(text)


def word(text: str) -> str:
    """Write one word so that the generator and then systemd read it back unchanged."""
    if re.fullmatch(_PLAIN, text, re.ASCII):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    escaped = re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", escaped)
    return f'"{doubled(escaped)}"'


def doubled(text: str) -> str:
    """Double what systemd would replace: ``%`` and ``$``."""
    return text.replace("%", "%%").replace("$", "$$")


def comment(text: str) -> str:
    """Write a text so that it stays in the line of a comment, and no backslash at its end joins the next."""
    return "".join(c if c.isprintable() else "?" for c in text).rstrip("\\")
