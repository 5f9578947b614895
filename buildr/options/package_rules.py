"""The options of the image together: which of them cannot be combined, and which needs another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from buildr.errors import Message, OptionError, OptionName
from buildr.options.errors import InvalidValueError
from buildr.options.package import DEFAULT_VARIANT, Package
from buildr.options.package_values import REPOSITORY
from buildr.options.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Mapping


def conflict(one: str, other: str, values: Mapping[str, Any]) -> bool:
    """Whether two options with these values cannot be combined."""
    if {one, other} == {"verbose", "quiet"}:
        return bool(values[one] and values[other])
    return any(
        second in _DECIDED_BY.get(first, ()) and values[second] != ()
        for first, second in ((one, other), (other, one))
    )


def complete_package(values: Mapping[str, Any], *, alone: bool = True) -> Package:
    """Return the options of the image that valid values make.

    Args:
        values: what `read_package` returned, for one place or for several.
        alone: whether no other place will add any, so that the options that one needs must be there.

    Raises:
        OptionError: options cannot be combined, or one needs another that is not given.
    """
    found = Package(**values)
    for own, others in _DECIDED_BY.items():
        for other in others:
            if getattr(found, own) is not None and getattr(found, other) not in (None, ()):
                raise OptionError(
                    Message(_name(other), " has no effect beside ", _name(own)),
                    hint="accepted: one of the two",
                )
    if found.verbose and found.quiet:
        raise OptionError(
            Message(_name("verbose"), " and ", _name("quiet"), " cannot be combined"),
            hint="accepted: one of the two",
        )
    if alone and found.publish and found.repository is None:
        raise OptionError(
            Message(_name("publish"), " needs ", _name("repository")),
            hint=Message("accepted for ", _name("repository"), f": {REPOSITORY}"),
        )
    _check_reference(found)
    if found.variant is None and found.base_image is None and found.dockerfile is None:
        return structs.replace(found, variant=DEFAULT_VARIANT)
    return found


_DECIDED_BY = {
    "dockerfile": (
        *("base_image", "py_version", "variant", "dependencies_file", "dependencies"),
        *("extras", "groups", "member", "system_packages", "secrets"),
    ),
    "dependencies": ("dependencies_file", "extras", "groups", "member"),
    "base_image": ("py_version", "variant"),
}


def _check_reference(package: Package) -> None:
    """Check that the parts of the image's name are valid together, too."""
    if package.repository is not None:
        try:
            parse_reference(f"{package.repository}/{package.name or 'app'}:{package.tag}")
        except InvalidValueError as error:
            names = Message(_name("repository"), " with ", _name("name"), " and ", _name("tag"))
            raise error.of(names) from None


def _name(option: str) -> OptionName:
    return OptionName(f"package.{option}")
