"""Reading a group of options, and records within their values: names in both spellings, then each value by its own rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from buildr.errors import Message, OptionError, OptionName
from buildr.options.errors import InvalidValueError, did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from msgspec import Struct

    from buildr.options.declaration import Option


def snake_case(name: str) -> str:
    """Turn Metaparticle's ``shardSpec`` into ``shard_spec``; what is in snake_case already stays."""
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


def read_group(
    group: str, value: object, *, kind: type[Struct], known: Mapping[str, Option]
) -> dict[str, Any]:
    """Read a group of options: those that are given, so that several places can be merged before defaults are filled in.

    Args:
        group: its name, ``package``.
        value: ``None``, a mapping, or an object of the class ``kind``, in which what differs from its default is given.
        kind: the class of typed options.
        known: the options of the group, by name.

    Returns:
        Their valid values by name, without those that are ``None``.

    Raises:
        OptionError: options are invalid; all of them are named.
    """
    found: dict[str, Any] = {}
    errors: list[OptionError] = []
    for name, item in _named(group, value, kind, known, errors):
        if item is None:
            continue
        try:
            found[name] = known[name].check(item)
        except OptionError as error:
            errors.append(error)
    if errors:
        raise _summary(errors)
    return found


def record(
    value: object,
    kind: type[Struct],
    readers: Mapping[str, Callable[[Any], Any]],
    *,
    required: tuple[str, ...],
    accepts: str,
) -> dict[str, Any]:
    """Read the fields of one record, given as an object of its class or as a mapping.

    Raises:
        InvalidValueError: it is neither, a name is unknown or missing, or a field is invalid.
    """
    if isinstance(value, kind):
        given = {name: getattr(value, name) for name in kind.__struct_fields__}
    elif isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        given = {snake_case(key): item for key, item in value.items()}
    else:
        raise InvalidValueError(value, accepts)
    for name in given:
        if name not in readers:
            problem = f"{shown(name)} is not one of {', '.join(readers)}"
            raise InvalidValueError(value, accepts, problem=problem)
    found = {}
    for name, read in readers.items():
        item = given.get(name)
        if item is None:
            if name in required:
                raise InvalidValueError(value, accepts, problem=f"{name!r} is missing")
            continue
        try:
            found[name] = read(item)
        except InvalidValueError as error:
            raise error.within(f".{name}") from None
    return found


def _named(
    group: str,
    value: object,
    kind: type[Struct],
    known: Mapping[str, Option],
    errors: list[OptionError],
) -> Iterable[tuple[str, Any]]:
    if value is None:
        return []
    if isinstance(value, kind):
        blank = kind()
        pairs = [(name, getattr(value, name), getattr(blank, name)) for name in known]
        # True equals 1 in Python, and is not a number to an option.
        return [(n, v) for n, v, default in pairs if type(v) is not type(default) or v != default]
    if not isinstance(value, Mapping):
        accepts = f"a dict of options, or {kind.__name__}(…)"
        raise InvalidValueError(value, accepts).of(OptionName(group))
    aliases = {alias: option.name for option in known.values() for alias in option.aliases}
    spelled: dict[str, str] = {}
    found: list[tuple[str, Any]] = []
    for key, item in value.items():
        name = snake_case(key) if isinstance(key, str) else ""
        name = aliases.get(name, name)
        if name not in known:
            errors.append(_unknown(group, key, name, known))
        elif name in spelled:
            what = f" is given twice, as {spelled[name]!r} and as {key!r}"
            errors.append(
                OptionError(
                    Message(known[name].key, what), hint="accepted: one of the two spellings"
                )
            )
        else:
            spelled[name] = key
            found.append((name, item))
    return found


def _unknown(group: str, key: object, name: str, known: Iterable[str]) -> OptionError:
    hint = f"accepted: {', '.join(known)}"
    if not isinstance(key, str):
        return OptionError(
            Message(OptionName(group), f" has {shown(key)} as an option's name"), hint=hint
        )
    meant = did_you_mean(name[:64].strip("_"), known)
    step = f".{key}" if key.isidentifier() and key.isascii() else f"[{shown(key)}]"
    return OptionError(Message(OptionName(group, (step,)), f" is not an option{meant}"), hint=hint)


def _summary(errors: list[OptionError]) -> OptionError:
    if len(errors) == 1:
        return errors[0]
    lines = [
        Message("\n" if index else "", "- ", error.what, " (", error.hint, ")")
        for index, error in enumerate(errors)
    ]
    return OptionError(f"{len(errors)} options are invalid", hint=Message(*lines))
