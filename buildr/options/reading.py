"""Reading a group of options: names in both spellings, then every value by its field's own rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from buildr.errors import OptionError
from buildr.options.errors import WrongValueError, did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from msgspec import Struct


def snake_case(name: str) -> str:
    """Turn the ancestor's ``shardSpec`` into ``shard_spec``; what is snake_case already stays."""
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in name)


def read_given(
    kind: str,
    value: object,
    *,
    given: type[Struct],
    readers: Mapping[str, Callable[[Any], Any]],
    aliases: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Read a group of options: those that are given, so that groups can be put together before defaults come in.

    Args:
        kind: the group's name in errors, ``package``.
        value: ``None``, a mapping, or an object of the class ``given``, in which what differs from its default is given.
        given: the class of typed options.
        readers: for each option the function that returns its valid value or raises `OptionError`.
        aliases: further names of options, in snake_case.

    Returns:
        Their valid values by name, without those that are ``None``.

    Raises:
        OptionError: options are wrong; all of them are named.
    """
    found: dict[str, Any] = {}
    errors: list[OptionError] = []
    for name, item in _named(kind, value, given, readers, aliases or {}, errors):
        if item is None:
            continue
        try:
            found[name] = readers[name](item)
        except WrongValueError as error:
            errors.append(error.within(f"{kind}.{name}"))
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
        WrongValueError: it is neither, a name is unknown or missing, or a field is wrong.
    """
    if isinstance(value, kind):
        given = {name: getattr(value, name) for name in kind.__struct_fields__}
    elif isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        given = {snake_case(key): item for key, item in value.items()}
    else:
        raise WrongValueError(value, accepts)
    for name in given:
        if name not in readers:
            problem = f"{shown(name)} is none of {', '.join(readers)}"
            raise WrongValueError(value, accepts, problem=problem)
    found = {}
    for name, read in readers.items():
        item = given.get(name)
        if item is None:
            if name in required:
                raise WrongValueError(value, accepts, problem=f"{name!r} is missing")
            continue
        try:
            found[name] = read(item)
        except WrongValueError as error:
            raise error.within(f".{name}") from None
    return found


def _named(
    kind: str,
    value: object,
    given: type[Struct],
    known: Iterable[str],
    aliases: Mapping[str, str],
    errors: list[OptionError],
) -> Iterable[tuple[str, Any]]:
    if value is None:
        return []
    if isinstance(value, given):
        blank = given()
        pairs = [(name, getattr(value, name), getattr(blank, name)) for name in known]
        # True is 1 to Python, and no number to an option.
        return [(n, v) for n, v, default in pairs if type(v) is not type(default) or v != default]
    if not isinstance(value, Mapping):
        accepts = f"a dict of options, or {given.__name__}(…)"
        raise OptionError(f"{kind} cannot be {shown(value)}", hint=f"accepted: {accepts}")
    spelt: dict[str, str] = {}
    found: list[tuple[str, Any]] = []
    for key, item in value.items():
        name = snake_case(key) if isinstance(key, str) else ""
        name = aliases.get(name, name)
        if name not in known:
            errors.append(_unknown(kind, key, name, known))
        elif name in spelt:
            what = f"{kind}.{name} is given twice, as {spelt[name]!r} and as {key!r}"
            errors.append(OptionError(what, hint="accepted: one of the two spellings"))
        else:
            spelt[name] = key
            found.append((name, item))
    return found


def _unknown(kind: str, key: object, name: str, known: Iterable[str]) -> OptionError:
    if not isinstance(key, str):
        return OptionError(
            f"{kind} has {shown(key)} as an option's name", hint=f"accepted: {', '.join(known)}"
        )
    meant = did_you_mean(name[:64].strip("_"), known)
    label = f"{kind}.{key}" if key.isidentifier() and key.isascii() else f"{kind}[{shown(key)}]"
    return OptionError(f"{label} is no option{meant}", hint=f"accepted: {', '.join(known)}")


def _summary(errors: list[OptionError]) -> OptionError:
    if len(errors) == 1:
        return OptionError(errors[0].what, hint=errors[0].hint)
    lines = "\n".join(f"- {error.what} ({error.hint})" for error in errors)
    return OptionError(f"{len(errors)} options are wrong", hint=lines)
