"""Converts command-line options to those of `buildr.options`, with errors in terms of the command line."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from buildr.errors import WRONG_COMMAND_LINE, BuildrError, OptionError, OptionName

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import click

    from buildr.config import FileUse, Layer
    from buildr.errors import Term


_NOT_GIVEN = (None, False, ())


def flags(context: click.Context, values: Mapping[str, Any]) -> Layer:
    """Validate the options of a command line by the decorator's rules.

    Args:
        context: of the command.
        values: of its parameters, by name.

    Raises:
        OptionError: values are invalid.
    """
    from buildr.cli.options import parameter
    from buildr.config import Layer
    from buildr.options import GROUPS, OPTIONS, read_package, read_runtime

    groups: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    origins: dict[str, str] = {}
    with in_words_of(context), wrong_command_line():
        for option in OPTIONS.values():
            value = values.get(parameter(option))
            if value not in _NOT_GIVEN:
                groups[option.group][option.name] = option.from_flag(value)
                origins[option.key] = option.long_flag
        if not groups["package"].keys().isdisjoint(("base_image", "py_version", "variant")):
            # A flag overrides the variable, as for --backend.
            os.environ.pop("BUILDR_BASE_IMAGE", None)
        return Layer(
            package=read_package(groups["package"]),
            runtime=read_runtime(groups["runtime"]),
            origin="the command line",
            origins=origins,
            is_command_line=True,
        )


def file_use(values: Mapping[str, Any]) -> FileUse:
    """Return the command line's settings for the project's file.

    Args:
        values: of the command's parameters, by name.
    """
    from buildr.config import FileUse

    return FileUse(ignored=bool(values.get("no_project_config")), trusted=bool(values.get("trust")))


@contextlib.contextmanager
def wrong_command_line() -> Iterator[None]:
    """Turn an error into a usage error, with its exit status."""
    try:
        yield
    except BuildrError as error:
        error.exit_code = WRONG_COMMAND_LINE
        raise


@contextlib.contextmanager
def in_words_of(context: click.Context) -> Iterator[None]:
    """Make errors use the flags of options: ``--py-version`` for ``package.py_version``.

    An error about an option of the command line has the exit status of usage errors.
    """
    try:
        yield
    except BuildrError as error:
        from buildr.cli.options import parameter
        from buildr.options import OPTIONS
        from buildr.options.errors import Accepts, Setting

        if isinstance(error, OptionError) and any(
            context.params.get(parameter(OPTIONS[name])) not in _NOT_GIVEN
            for name in error.options
            if name in OPTIONS
        ):
            error.exit_code = WRONG_COMMAND_LINE

        taken = {param.name for param in context.command.params}

        def word(term: Term) -> str:
            if isinstance(term, Accepts):
                return term.as_text
            if not isinstance(term, OptionName | Setting):
                return term
            option = OPTIONS.get(term.option)
            if option is None or parameter(option) not in taken:
                return term
            if isinstance(term, Setting):
                return " ".join(f"{option.long_flag} {value}" for value in term.values)
            return option.long_flag + _part(term)

        error.reword(word)
        raise


def _part(name: OptionName) -> str:
    """Return the part of a flag's value that is invalid: a field's name. It has no index, as each item has a flag of its own."""
    steps = [step for step in name.path if isinstance(step, str)]
    return "".join(f" {step[1:]}" if step.startswith(".") else step for step in steps)
