"""The classes of the user's own that may travel: dataclasses and enums that the annotations of a function name, in lists and the like, too."""

from __future__ import annotations

import dataclasses
import enum
import typing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

_MAIN = ("__main__", "__mp_main__")  # the same module, on the host and in the guest


def classes_of(function: Any) -> Dict[str, type]:
    """Return the classes by a name that both sides have for them; none where the annotations cannot be read."""
    plain = getattr(function, "__func__", function)
    found: Dict[str, type] = {}
    _collect_hints(plain, found, getattr(plain, "__module__", ""))
    return found


def _collect_hints(annotated: Any, found: Dict[str, type], home: str) -> None:
    try:
        hints = typing.get_type_hints(annotated)
    except Exception:  # noqa: BLE001 - names that are there for type checkers alone, for example
        return
    for hint in hints.values():
        _collect(hint, found, home)


def _collect(hint: Any, found: Dict[str, type], home: str) -> None:
    for inner in getattr(hint, "__args__", ()):
        _collect(inner, found, home)
    if not isinstance(hint, type) or not (
        dataclasses.is_dataclass(hint) or issubclass(hint, enum.Enum)
    ):
        return
    module = "" if hint.__module__ in (home, *_MAIN) else hint.__module__
    name = "%s:%s" % (module, hint.__qualname__)
    if name not in found:
        found[name] = hint
        if dataclasses.is_dataclass(hint):
            _collect_hints(hint, found, home)


def fields_of(value: Any) -> Dict[str, Any]:
    """Return what makes an object: the fields of a dataclass, or the name of an enum's member."""
    if isinstance(value, enum.Enum):
        return {"name": value.name}
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def rebuilt(kind: Any, fields: Dict[str, Any]) -> Any:
    """Make an object of its fields, as its own class does.

    Raises:
        ValueError: they are not those of the class; or a TypeError, a LookupError.
    """
    if issubclass(kind, enum.Enum):
        return kind[fields["name"]]
    known = {field.name: field.init for field in dataclasses.fields(kind)}
    if set(fields) != set(known):
        raise ValueError("other fields")
    try:
        made = kind(**{name: item for name, item in fields.items() if known[name]})
    except Exception as error:
        raise ValueError("%s refuses these fields" % kind.__qualname__) from error
    for name, item in fields.items():
        if not known[name]:
            object.__setattr__(made, name, item)
    return made
