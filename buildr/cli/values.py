"""From the options of a command line to those of `buildr.options`, with errors in the words of the command line.

A parameter is named for the field that it sets, ``package__py_version``; so the decorator's own validation serves.
"""

from __future__ import annotations

import contextlib
import os
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from buildr.errors import BuildrError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import click

    from buildr.config import Layer

_FIELD = (
    r"(?<![.\w])(?P<group>package|runtime)\.(?P<option>[a-z_]+)(?:\[\d+\])?(?:\.(?P<part>[a-z_]+))?"
)
_ASSIGNED = r"\b(?P<option>[a-z_]+)=(?:…|True) in (?P<group>package|runtime)\b"
_DICT = r", or a dict \{[^}]*\}"  # what only the decorator can be given
_ADDITIONAL_FILE = "SRC:DEST or SRC:DEST:MODE, such as settings.toml:/etc/settings.toml:0440"


def flags(context: click.Context, values: Mapping[str, Any]) -> Layer:
    """Validate what a command line gives, by the decorator's rules.

    Args:
        context: of the command.
        values: of its parameters, by name.

    Raises:
        OptionError: options are no valid values.
    """
    from buildr.config import Layer
    from buildr.options import given_package, given_runtime

    groups: dict[str, dict[str, Any]] = {"package": {}, "runtime": {}}
    origins: dict[str, str] = {}
    spelt = _flags(context.command)
    for name, value in values.items():
        kind, _, field = name.partition("__")
        if field and value not in (None, False, ()):
            convert = _CONVERTERS.get(field)
            groups[kind][field] = convert(value) if convert else value
            origins[f"{kind}.{field}"] = spelt[name]
    if not groups["package"].keys().isdisjoint(("base_image", "py_version", "variant")):
        # A flag wins over the variable, as --backend does.
        os.environ.pop("BUILDR_BASE_IMAGE", None)
    with in_words_of(context):
        return Layer(
            package=given_package(groups["package"]),
            runtime=given_runtime(groups["runtime"]),
            origin="the command line",
            origins=origins,
            is_command_line=True,
        )


@contextlib.contextmanager
def in_words_of(context: click.Context) -> Iterator[None]:
    """Let errors name options as the command line does: ``--py-version`` for ``package.py_version``."""
    try:
        yield
    except BuildrError as error:
        flags = _flags(context.command)

        def respell(text: str) -> str:
            text = re.sub(_DICT, "", text)
            for pattern in (_FIELD, _ASSIGNED):
                text = re.sub(pattern, partial(_spelt, flags=flags, text=text), text)
            return text

        error.what, error.hint = respell(error.what), respell(error.hint)
        error.args = (f"{error.what}\n{error.hint}" if error.hint else error.what,)
        raise


def _flags(command: click.Command) -> dict[str, str]:
    """Return the long option of each parameter, by the parameter's name."""
    return {
        param.name: next((name for name in param.opts if name.startswith("--")), param.opts[0])
        for param in command.params
        if param.name
    }


def _spelt(found: re.Match[str], flags: Mapping[str, str], text: str) -> str:
    flag = flags.get(f"{found['group']}__{found['option']}")
    if flag is None or (found.re.pattern == _ASSIGNED and flag in text):
        return found[0]  # not of this command, or named already
    part = found.groupdict().get("part")
    return f"{flag} {part}" if part else flag


def _environment(given: tuple[str, ...]) -> dict[str, str | None]:
    pairs = (text.partition("=") for text in given)
    return {name: value if equals else None for name, equals, value in pairs}


def _number(given: str) -> float | str:
    """Return a number; or the text as it is, for the validation to refuse."""
    try:
        return float(given)
    except ValueError:
        return given


def _whole(given: str) -> int | str:
    """Return a whole number; or the text as it is, for the validation to refuse."""
    try:
        return int(given)
    except ValueError:
        return given


def _additional_files(given: tuple[str, ...]) -> list[dict[str, str]]:
    found = []
    for text in given:
        parts = text.split(":")
        if len(parts) not in {2, 3}:
            raise OptionError(
                f"--additional-file cannot be {text!r}", hint=f"accepted: {_ADDITIONAL_FILE}"
            )
        found.append(dict(zip(("src", "dest", "mode"), parts, strict=False)))
    return found


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "additional_files": _additional_files,
    "cpus": _number,
    "devices": list,
    "env": _environment,
    "grace_seconds": _number,
    "wait_seconds": _number,
    "mounts": list,
    "network": list,
    "pids_limit": _whole,
    "ports": list,
    "secrets": list,
    "ulimits": list,
}
