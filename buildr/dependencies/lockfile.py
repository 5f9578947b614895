"""Reads lock files: their format, the user's selection, and markers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from buildr.dependencies.files import decode, inside, read_bytes
from buildr.dependencies.markers import ALWAYS, Condition, Wanted, normalised, read
from buildr.dependencies.requirement import without_password
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildr.dependencies.model import ProjectFiles

__all__ = ["chosen", "load", "marker", "too_many", "typed"]

T = TypeVar("T")


def load(project: ProjectFiles, path: str) -> dict[str, Any]:
    """Read a TOML file of the context.

    Raises:
        DependencyError: it cannot be read, is outside the context, or is not valid.
    """
    from tomllib import loads

    content = decode(read_bytes(inside(project, path, path), path), path)
    try:
        return loads(content.text)
    except (ValueError, RecursionError) as error:
        raise DependencyError(
            f"{path} is not valid TOML: {without_password(str(error))}", hint="correct the file"
        ) from None


def typed(data: object, kind: type[T], path: str, tool: str) -> T:
    """Return the content of a lock as records.

    Args:
        data: its content.
        kind: the record.
        path: of the lock.
        tool: the command that writes such a file, ``uv lock``.

    Raises:
        DependencyError: it has another form.
    """
    from msgspec import ValidationError, convert

    try:
        return convert(data, kind)
    except ValidationError as error:
        raise DependencyError(
            f"{path} does not have the form that `{tool}` gives it: {error}",
            hint=f"write it again: {tool}",
        ) from None


def chosen(wanted: Iterable[str], known: Iterable[str], path: str, option: str) -> tuple[str, ...]:
    """Return the extras or groups that the user named, as the file spells them.

    Raises:
        DependencyError: the file has none of that name.
    """
    names = {normalised(name): name for name in known}
    for name in wanted:
        if normalised(name) not in names:
            there = ", ".join(sorted(names.values())) or "none"
            raise DependencyError(
                f"package.{option}: {path} has no {name!r}", hint=f"accepted: {there}"
            )
    return tuple(names[normalised(name)] for name in wanted)


def marker(written: str | None, wanted: Wanted, where: str) -> Condition:
    """Read a marker of a lock.

    Raises:
        DependencyError: it is not one.
    """
    if not written:
        return ALWAYS
    try:
        return read(written, wanted)
    except ValueError:
        raise DependencyError(
            f"{where}: {written!r} is not an environment marker", hint="write the lock again"
        ) from None
    except OverflowError:
        raise too_many(where) from None


def too_many(where: str) -> DependencyError:
    """Return the error for conditions that have too many alternatives."""
    return DependencyError(
        f"{where} is needed under more conditions than pip can be given",
        hint="write a pylock.toml, or a requirements.txt, with the tool that made the lock",
    )
