"""Reads files of environment variables (``.env``) in the format of python-dotenv."""

from __future__ import annotations

import os
from io import StringIO
from typing import TYPE_CHECKING

from buildr.errors import ContainerError
from buildr.host.files import read_file
from buildr.options.environment import environment
from buildr.options.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["read_env_files"]


def read_env_files(paths: Sequence[str], directory: str = "") -> dict[str, str | None]:
    """Return the variables of files; later files have precedence.

    Args:
        paths: the paths of the files.
        directory: the absolute base directory of relative paths; empty: the current one.

    Returns:
        Values by name; ``None`` passes on the host's value.

    Raises:
        ContainerError: a file cannot be read, or has an invalid line. No value is shown, since it may be a secret.
    """
    found: dict[str, str | None] = {}
    for path in paths:
        found |= _read(path, directory)
    return found


def _read(path: str, directory: str) -> dict[str, str | None]:
    from dotenv.parser import parse_stream

    full = os.path.abspath(os.path.join(directory, os.path.expanduser(path)))
    try:
        # Editors on Windows add a byte order mark.
        text = read_file(full).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ContainerError(f"{path} is not UTF-8", hint="Save it as UTF-8.") from None
    except OSError as error:
        raise ContainerError(
            f"the env_file {path} cannot be read: {error.strerror}",
            hint=f"It was looked for at {full}.",
        ) from None
    found: dict[str, str | None] = {}
    # Not dotenv_values(), which ignores invalid lines and expands a $ in passwords.
    for binding in parse_stream(StringIO(text, newline=None)):
        where = f"{path}, line {binding.original.line}"
        if binding.error:
            raise ContainerError(
                f"{where} is not a variable",
                hint="accepted: NAME=value, NAME='value' (as it is), NAME (the host's value), # a comment",
            )
        if binding.key is not None:
            try:
                found |= environment({binding.key: binding.value})
            except InvalidValueError as error:
                raise ContainerError(error.of(where).what, hint=error.hint) from None
    return found
