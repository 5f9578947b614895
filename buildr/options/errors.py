"""The error of an invalid value, as data, and how the value is shown in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.errors import Message, OptionError, OptionName, Term

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

__all__ = ["Accepts", "InvalidValueError", "Setting", "did_you_mean", "exclusive", "shown"]

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
    """Return the end of an error about an unknown name, which suggests the closest one; empty where none is close.

    Args:
        name: what was given.
        known: the names that exist.
        ending: what follows in both names, and is not compared.
    """
    from difflib import get_close_matches  # only errors need it

    near = get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0] + ending!r}?" if near else ""


class Accepts(Term):
    """The accepted values of an option, as a noun phrase.

    Args:
        as_text: what can be written as text, and so on a command line.
        others: what only Python and TOML can express.
    """

    __slots__ = ("as_text",)
    as_text: str

    def __new__(cls, as_text: str, others: str) -> Self:
        """Join the two."""
        self = super().__new__(cls, f"{as_text}, or {others}")
        self.as_text = as_text
        return self


class Setting(Term):
    """An option with a value, as it is written in the decorator: ``package={"variant": "slim"}``.

    Args:
        option: ``package.variant``.
        values: the value, or those of a list.
        is_list: whether the option takes a list.
    """

    __slots__ = ("option", "values")
    option: str
    values: tuple[str, ...]

    def __new__(cls, option: str, *values: str, is_list: bool = False) -> Self:
        """Write them down."""
        group, _, name = option.partition(".")
        quoted = ", ".join(f'"{value}"' for value in values)
        self = super().__new__(cls, f'{group}={{"{name}": {f"[{quoted}]" if is_list else quoted}}}')
        self.option = option
        self.values = values
        return self


class InvalidValueError(OptionError):
    """A value that an option does not accept.

    Args:
        value: what was given; shown as `shown` does.
        accepted: what is accepted instead, as a noun phrase.
        problem: what is wrong with the value, where that is not obvious from ``accepted``.
        path: where it is in the option's value: the index in a list, ``.dest`` for a field.
        secret: show only the type of the value.

    Attributes:
        option: the option, ``package.name``; empty until it is known (`of`).
    """

    def __init__(
        self,
        value: object,
        accepted: str,
        *,
        problem: str = "",
        path: tuple[int | str, ...] = (),
        secret: bool = False,
    ) -> None:
        super().__init__("")
        self.value = value
        self.accepted = accepted
        self.problem = problem
        self.path = path
        self.secret = secret
        self._call("the value")

    def _call(self, subject: str) -> None:
        self.option = subject.option if isinstance(subject, OptionName) else ""
        self._subject = subject
        name: str = OptionName(self.option, self.path)
        if not self.option:
            name = Message(subject, str(name))
        text = f"a value of type {type(self.value).__name__}" if self.secret else shown(self.value)
        problem = f": {self.problem}" if self.problem else ""
        self._say(
            Message(name, f" cannot be {text}{problem}"),
            Message("accepted: ", self.accepted),
        )

    def within(self, segment: int | str) -> InvalidValueError:
        """Return the same error for a value that contains this one, at an index or in a field ``.dest``."""
        error = InvalidValueError(
            self.value,
            self.accepted,
            problem=self.problem,
            path=(segment, *self.path),
            secret=self.secret,
        )
        error._call(self._subject)
        return error

    def of(self, subject: str) -> InvalidValueError:
        """Return the same error with the name of what the value was given for.

        Args:
            subject: an `OptionName`, or any other noun phrase.
        """
        error = InvalidValueError(
            self.value,
            self.accepted,
            problem=self.problem,
            path=self.path,
            secret=self.secret,
        )
        error._call(subject)
        return error


def exclusive(one: str, other: str, why: str, hint: str = "Leave one of them out.") -> OptionError:
    """Return the error for two options that cannot be combined.

    Args:
        one: an `OptionName`, or any other text.
        other: an `OptionName`, or any other text.
        why: the reason.
        hint: what to do.
    """
    return OptionError(Message(one, " and ", other, f" cannot be combined: {why}"), hint=hint)
