"""The error for arguments of the decorator that belong in one of its two option groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.errors import OptionError
from buildr.options.errors import did_you_mean, shown
from buildr.options.package import PackageOptions
from buildr.options.reading import snake_case
from buildr.options.runtime import RuntimeOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from msgspec import Struct

_GROUPS: dict[str, type[Struct]] = {"package": PackageOptions, "runtime": RuntimeOptions}
_ACCEPTED = "accepted: package={…} for the image, runtime={…} for the run"


def misplaced(function: object, others: Mapping[str, object]) -> OptionError:
    """Return the error for arguments that `buildr.Containerize` does not accept.

    Args:
        function: the positional argument.
        others: the other named arguments.
    """
    if not others:
        return OptionError(
            f"@Containerize is for a function, not for {shown(function)}", hint=_ACCEPTED
        )
    lines = [_line(name) for name in others]
    return OptionError(
        f"@Containerize takes no {', '.join(map(repr, others))}",
        hint="\n".join((*lines, _ACCEPTED)),
    )


def _line(name: str) -> str:
    found = [group for group, kind in _GROUPS.items() if snake_case(name) in _names(kind)]
    if found:
        places = " or ".join(f'{group}={{"{snake_case(name)}": …}}' for group in found)
        return f"{name!r} belongs in its group: {places}"
    known = [*_GROUPS, *(option for kind in _GROUPS.values() for option in _names(kind))]
    return f"{name!r} is not an option{did_you_mean(name[:64], known)}"


def _names(kind: type[Struct]) -> tuple[str, ...]:
    return kind.__struct_fields__
