"""The JSON schema of ``[tool.buildr]``, for editors: made from the declarations of the options, and kept in ``schema.json`` beside this file.

``python -m buildr.config.schema`` prints it again after a change of the declarations.
"""

from __future__ import annotations

import collections.abc
import inspect
import json
import os
import re
import types
import typing
from typing import Any, Literal, get_args, get_origin

from msgspec import Struct, structs

from buildr import options
from buildr.config.project_file import KEYS
from buildr.options import OPTIONS, PackageOptions, RuntimeOptions

__all__ = ["FILE", "schema"]

FILE = os.path.join(os.path.dirname(__file__), "schema.json")
_DRAFT = "http://json-schema.org/draft-07/schema#"  # what editors of TOML support
_GROUPS: dict[str, type[Struct]] = {"package": PackageOptions, "runtime": RuntimeOptions}
_PLAIN = {str: "string", bool: "boolean", int: "integer", float: "number"}
_LISTS = (collections.abc.Sequence, list, tuple)
_TEXTS = (os.PathLike,)
_CAMEL_CASE = "^[a-z]+([A-Z][a-z]*)+$"


def schema() -> dict[str, Any]:
    """Return the schema of a ``pyproject.toml``, of which only ``[tool.buildr]`` is described."""
    table: dict[str, Any] = {
        "backend": {
            "type": "string",
            "description": "the engine that builds and runs: podman, docker, auto",
        },
        **{name: _group(name, kind) for name, kind in _GROUPS.items()},
    }
    assert tuple(table) == KEYS  # noqa: S101 - the keys of the file
    own = {"type": "object", "additionalProperties": False, "properties": table}
    tool = {"type": "object", "properties": {"buildr": own}}
    return {"$schema": _DRAFT, "type": "object", "properties": {"tool": tool}}


def _group(group: str, kind: type[Struct]) -> dict[str, Any]:
    names = {name: value for name, value in vars(options).items() if isinstance(value, type)}
    names |= {name: getattr(collections.abc, name) for name in collections.abc.__all__}
    hints = typing.get_type_hints(kind, localns={**names, "os": os})
    texts = _descriptions(kind)
    defaults = structs.asdict(kind())
    found: dict[str, Any] = {}
    for declared in OPTIONS.values():
        if declared.group != group:
            continue
        name = declared.name
        entry = {**_type(hints[name]), "description": texts[name]}
        if defaults[name] not in (None, (), {}, ""):
            entry["default"] = defaults[name]
        for spelled in (name, *declared.aliases):
            found[spelled] = entry
    return {
        "type": "object",
        "properties": found,
        # Names in Metaparticle's spelling are accepted, and not offered.
        "patternProperties": {_CAMEL_CASE: {}},
        "additionalProperties": False,
    }


def _descriptions(kind: type[Struct]) -> dict[str, str]:
    text = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    rows = re.findall(r"(?m)^    (\w+): (.*(?:\n        .*)*)", text)
    return {name: re.sub(r"\s+", " ", meaning).replace("``", "`") for name, meaning in rows}


def _type(hint: Any) -> dict[str, Any]:  # noqa: PLR0911 - one for each kind of type
    """Return the schema of a type, as far as TOML can express its values."""
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _any_of([_type(one) for one in arguments if one is not type(None)])
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in _TEXTS or hint in _TEXTS:
        return {"type": "string"}
    if origin in _LISTS:
        return {"type": "array", "items": _type(arguments[0])}
    if origin is collections.abc.Mapping:
        return {"type": "object", "additionalProperties": _type(arguments[1])}
    if isinstance(hint, type) and issubclass(hint, Struct):
        return {"type": "object"}
    return {}


def _any_of(found: list[dict[str, Any]]) -> dict[str, Any]:
    distinct = [one for index, one in enumerate(found) if one not in found[:index]]
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))  # noqa: T201 - what it is for
