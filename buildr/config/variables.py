"""``BUILDR_PACKAGE_TAG`` and the like: one variable for each option, whose value is text.

A list or a table is JSON, which every shell can quote and every program can write. ``BUILDR_BACKEND`` and
``BUILDR_BASE_IMAGE``, the two that have short names, are read where they act: `buildr.engines.registry`, `buildr.plan.project`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from buildr.config.layers import Layer
from buildr.errors import OptionError
from buildr.options import PackageOptions, RuntimeOptions, given_package, given_runtime
from buildr.options.errors import WrongValueError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["PREFIXES", "read_variables", "variable"]

PREFIXES = {"package": "BUILDR_PACKAGE_", "runtime": "BUILDR_RUNTIME_"}
_SHORT = {"BUILDR_PACKAGE_BASE_IMAGE": "BUILDR_BASE_IMAGE"}
_GROUPS = {"package": PackageOptions, "runtime": RuntimeOptions}
_FLAGS = {"1": True, "true": True, "0": False, "false": False}
_NUMBERS = ("call_timeout", "cpus", "grace_seconds", "replicas", "wait_seconds")
_LISTS = ("dependencies", "job_spec", "shard_spec")  # beside those whose default is an empty one


def variable(group: str, option: str) -> str:
    """Return the name of an option's variable."""
    name = f"{PREFIXES[group]}{option.upper()}"
    return _SHORT.get(name, name)


def read_variables(environ: Mapping[str, str]) -> Layer:
    """Read the options that the environment gives; an empty variable gives none.

    Raises:
        OptionError: there is no such option, or the value is not valid; the variable is named, and its value is not
            shown where it may be a secret.
    """
    values: dict[str, dict[str, Any]] = {"package": {}, "runtime": {}}
    origins: dict[str, str] = {}
    for name in sorted(environ):
        for group, prefix in PREFIXES.items():
            if name.startswith(prefix) and environ[name]:
                option = _option(name, group)
                values[group][option] = _value(name, group, option, environ[name])
                origins[f"{group}.{option}"] = name
    return Layer(package=values["package"], runtime=values["runtime"], origin="", origins=origins)


def _option(name: str, group: str) -> str:
    option = name.removeprefix(PREFIXES[group]).lower()
    if option in _GROUPS[group].__struct_fields__ and name not in _SHORT:
        return option
    known = [variable(group, other) for other in _GROUPS[group].__struct_fields__]
    meant = did_you_mean(_SHORT.get(name, name), known)
    raise OptionError(
        f"{name} is no variable of Buildr{meant}", hint=f"accepted: {', '.join(known)}"
    )


def _value(name: str, group: str, option: str, text: str) -> Any:
    """Return the valid value of one variable."""
    default = getattr(_GROUPS[group](), option)
    read: Callable[..., dict[str, Any]] = given_package if group == "package" else given_runtime
    value: Any = text
    if isinstance(default, bool):
        value = _FLAGS.get(text.lower())
        if value is None:
            raise WrongValueError(text, "true or false, 1 or 0", path=name)
    elif option in _NUMBERS:
        value = _json(text, (int, float), text)
    elif option in _LISTS or default in ((), {}):
        value = _json(text, (list, dict), None)
        if value is None:
            accepts = 'a list or a table in JSON, such as ["one", "two"]'
            raise WrongValueError(text, accepts, path=name, secret=True)
    try:
        return read({option: value})[option]
    except OptionError as error:
        raise OptionError(error.what.replace(f"{group}.{option}", name), hint=error.hint) from None


def _json(text: str, kinds: tuple[type, ...], otherwise: Any) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return otherwise
    return value if isinstance(value, kinds) else otherwise
