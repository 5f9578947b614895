"""``BUILDR_PACKAGE_TAG`` and the like: one variable for each option, whose value is text.

A list or a table is JSON, which every shell can quote and every program can write. ``BUILDR_BACKEND`` and
``BUILDR_BASE_IMAGE``, which have short names, are read where they act: `buildr.engines.registry`, `buildr.plan.project`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildr.config.layers import Layer
from buildr.errors import OptionError, OptionName
from buildr.options import GROUPS, OPTIONS
from buildr.options.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildr.errors import Term
    from buildr.options.declaration import Option

__all__ = ["read_variables"]

_PREFIXES = tuple(f"BUILDR_{group}_".upper() for group in GROUPS)


def read_variables(environ: Mapping[str, str]) -> Layer:
    """Read the options that the environment gives; an empty variable gives none.

    Raises:
        OptionError: there is no such option, or the value is not valid; the variable is named, and its value is not
            shown where it may be a secret.
    """
    values: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    origins: dict[str, str] = {}
    for name in sorted(environ):
        if name.startswith(_PREFIXES) and environ[name]:
            option = _option(name)
            values[option.group][option.name] = _value(option, environ[name])
            origins[option.key] = name
    return Layer(package=values["package"], runtime=values["runtime"], origin="", origins=origins)


def _option(name: str) -> Option:
    by_variable = {option.variable: option for option in OPTIONS.values()}
    if name in by_variable:
        return by_variable[name]
    group, _, option = name.removeprefix("BUILDR_").lower().partition("_")
    shortened = OPTIONS.get(f"{group}.{option}")
    known = [known.variable for known in OPTIONS.values() if known.group == group]
    meant = did_you_mean(shortened.variable if shortened else name, known)
    raise OptionError(
        f"{name} is not a variable of Buildr{meant}", hint=f"accepted: {', '.join(known)}"
    )


def _value(option: Option, text: str) -> Any:
    """Return the valid value of one variable."""

    def word(term: Term) -> str:
        name = OptionName(option.variable, term.path) if isinstance(term, OptionName) else term
        return str(name)  # no term any more, so that a command does not put its flags there

    try:
        return option.check(option.from_text(text))
    except OptionError as error:
        error.reword(word)
        raise
