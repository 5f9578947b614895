"""The declaration of an option: what the decorator, pyproject.toml, variables, flags and the documentation need to know."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct

from buildr.errors import OptionName
from buildr.options.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["ENGINE", "KUBERNETES", "QUADLET", "FlagSet", "Form", "Option", "Section"]

ENGINE, QUADLET, KUBERNETES = "engine", "quadlet", "kubernetes"
"""Runners that an option may apply to."""

Form = Literal["switch", "text", "number", "integer", "structure", "text or structure"]
"""How text gives a value: a variable's whole, a flag's unless it is repeatable.

A structure is a list or a table, which a variable has in JSON.
"""
Section = Literal["Build options", "Image options", "Container options", "Other options"]
"""A heading in the help of a command."""
FlagSet = Literal[
    "", "build", "image", "wheel_cache", "publish", "container", "collected", "builder", "output"
]
"""Flags that commands take together: see `buildr.cli.options`."""

_SWITCHES = {"1": True, "true": True, "0": False, "false": False}
_JSON = ('["', '{"')
"""How a structure begins, and a shell command does not."""


class Option(Struct, frozen=True, kw_only=True):
    """One option.

    Its type, its default and its description are in `PackageOptions` or `RuntimeOptions`, where type checkers and editors find
    them.

    Attributes:
        group: that of the decorator, ``package`` or ``runtime``.
        name: in snake_case.
        read: returns its valid value, or raises `InvalidValueError`.
        form: how it is given as text.
        aliases: other accepted names, in snake_case.
        short_variable: its variable, where that is not ``BUILDR_`` with group and name.
        flags: its names on a command line; empty: it cannot be given there.
        repeatable: whether a flag is given for each item of a list.
        metavar: the placeholder for the flag's value in the help.
        help: the flag's.
        section: the heading of the help that lists the flag.
        flag_set: which commands take the flag.
        decides_image: whether another value results in another image.
        runners: those that it applies to; empty: it is for builds or calls only.
        podman_run: whether ``podman run`` has the same flag with the same values: a unit of systemd sets it by that.
        confined: whether no value of it reaches beyond the project's folder, its image and its container, so that a project's own
            file may give any; `buildr.config.reach` says what the values of all others ask for.
    """

    group: Literal["package", "runtime"]
    name: str
    read: Callable[[Any], Any]
    form: Form = "text"
    aliases: tuple[str, ...] = ()
    short_variable: str = ""
    flags: tuple[str, ...] = ()
    repeatable: bool = False
    metavar: str = ""
    help: str = ""
    section: Section = "Other options"
    flag_set: FlagSet = ""
    decides_image: bool = False
    runners: tuple[str, ...] = ()
    podman_run: bool = False
    confined: bool = False

    @property
    def key(self) -> OptionName:
        """Its name in messages, ``package.tag``."""
        return OptionName(f"{self.group}.{self.name}")

    @property
    def variable(self) -> str:
        """The name of its variable."""
        return self.short_variable or f"BUILDR_{self.group}_{self.name}".upper()

    @property
    def long_flag(self) -> str:
        """The first of its flags with two dashes; empty if there is none."""
        return next((flag for flag in self.flags if flag.startswith("--")), "")

    def check(self, value: object) -> Any:
        """Return the valid value.

        Raises:
            OptionError: it is not accepted.
        """
        try:
            return self.read(value)
        except InvalidValueError as error:
            raise error.of(self.key) from None

    def from_text(self, text: str) -> Any:
        """Return what the decorator would be given for the text of a variable or a flag; `check` it then.

        Raises:
            OptionError: the text is not a value of this form. That of a structure is not shown, as it may contain a secret.
        """
        if self.form == "switch":
            if text.lower() not in _SWITCHES:
                raise InvalidValueError(text, "true or false, 1 or 0").of(self.key)
            return _SWITCHES[text.lower()]
        if self.form in ("number", "integer"):
            return _number(text, int if self.form == "integer" else float)
        if self.form == "text":
            return text
        return self._structure(text)

    def from_flag(self, given: bool | str | Sequence[str]) -> Any:
        """Return what the decorator would be given for a flag's value, or the values of a repeatable one; `check` it then.

        Raises:
            OptionError: see `from_text`.
        """
        return self.from_text(given) if isinstance(given, str) else given

    def _structure(self, text: str) -> Any:
        import json  # few variables are written in it

        problem = ""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            value = None
            if text.startswith(_JSON):
                problem = f"it is not valid JSON: {error}"
        if isinstance(value, (list, dict)):
            return value
        if self.form == "text or structure" and not problem:
            return text
        accepted = 'a list or a table in JSON, such as ["one", "two"]'
        raise InvalidValueError(text, accepted, problem=problem, secret=True).of(self.key)


def _number(text: str, kind: type[int | float]) -> float | str:
    """Return a number, or the unchanged text for the option's reader to refuse."""
    try:
        return kind(text) if re.fullmatch(r"[0-9+.eE-]+", text, re.ASCII) else text
    except ValueError:
        return text
