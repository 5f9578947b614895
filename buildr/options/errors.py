"""The error of one wrong option, and how the value that was given is shown in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["WrongValueError", "did_you_mean", "shown"]

_LONGEST = 60


def shown(value: object) -> str:
    """Show a value in an error: its repr on one line, shortened to 60 characters."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a foreign __repr__ may raise anything, and so may a huge int
        text = f"<{type(value).__name__}>"
    if not text.isprintable():
        text = ascii(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def did_you_mean(name: str, known: Iterable[str], ending: str = "") -> str:
    """Return the end of an error on an unknown name that asks for the nearest one; empty where none is near.

    Args:
        name: what was given.
        known: what there is.
        ending: what both have in common behind that, and which makes nothing near.
    """
    from difflib import get_close_matches  # only errors need it

    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0] + ending!r}?" if near else ""


class WrongValueError(OptionError):
    """A value that an option does not take.

    Args:
        given: the value; shown as `shown` does.
        accepts: what is accepted instead, as a noun phrase.
        problem: what is wrong with it, where that is not plain from `accepts`.
        label: what the value should be, used where no option's name is known.
        path: the option, ``package.name`` or a part of it such as ``[1].dest``.
        secret: show the type of the value only.
    """

    def __init__(
        self,
        given: object,
        accepts: str,
        *,
        problem: str = "",
        label: str = "the value",
        path: str = "",
        secret: bool = False,
    ) -> None:
        text = f"a value of type {type(given).__name__}" if secret else shown(given)
        detail = f": {problem}" if problem else ""
        super().__init__(f"{path or label} cannot be {text}{detail}", hint=f"accepted: {accepts}")
        self.given = given
        self.accepts = accepts
        self.problem = problem
        self.label = label
        self.path = path
        self.secret = secret

    def within(self, segment: str) -> WrongValueError:
        """Return the same error for a value that lies inside ``segment``."""
        return WrongValueError(
            self.given,
            self.accepts,
            problem=self.problem,
            label=self.label,
            path=segment + self.path,
            secret=self.secret,
        )
