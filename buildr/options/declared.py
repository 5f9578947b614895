"""All declared options, and the readers of the two groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildr.options.package import Package, PackageOptions
from buildr.options.package_declared import PACKAGE
from buildr.options.package_rules import complete_package
from buildr.options.reading import read_group
from buildr.options.runtime import Runtime, RuntimeOptions
from buildr.options.runtime_declared import RUNTIME
from buildr.options.runtime_rules import complete_runtime

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "GROUPS",
    "OPTIONS",
    "package_options",
    "read_package",
    "read_runtime",
    "runtime_options",
]

GROUPS = {"package": PACKAGE, "runtime": RUNTIME}
OPTIONS = {str(option.key): option for group in GROUPS.values() for option in group.values()}
"""By key, ``package.tag``."""


def package_options(value: PackageOptions | Mapping[str, Any] | None) -> Package:
    """Validate the options of the image.

    Args:
        value: ``None``, a mapping with names in snake_case or camelCase, or typed options.

    Raises:
        OptionError: options are unknown, have an invalid type or value, or cannot be combined.
    """
    return complete_package(read_package(value))


def read_package(value: object) -> dict[str, Any]:
    """Validate the options of the image one by one, and return those that are given.

    Args:
        value: as for `package_options`.

    Raises:
        OptionError: options are unknown, or have an invalid type or value.
    """
    return read_group("package", value, kind=PackageOptions, known=PACKAGE)


def runtime_options(value: RuntimeOptions | Mapping[str, Any] | None) -> Runtime:
    """Validate the options of the run.

    Args:
        value: ``None``, a mapping with names in snake_case or camelCase, or typed options.

    Raises:
        OptionError: options are unknown, have an invalid type or value, cannot be combined, or are not supported on one
            engine.
    """
    return complete_runtime(read_runtime(value))


def read_runtime(value: object) -> dict[str, Any]:
    """Validate the options of the run one by one, and return those that are given.

    Args:
        value: as for `runtime_options`.

    Raises:
        OptionError: options are unknown, have an invalid type or value, or are not supported on one engine.
    """
    return read_group("runtime", value, kind=RuntimeOptions, known=RUNTIME)
