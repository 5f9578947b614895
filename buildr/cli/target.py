"""The program named by a command line, without importing it: a script, or a module as for ``python -m``.

`Target.resolve` merges its decorator's options with all others; each command for a script begins with it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from buildr.cli.command import option
from buildr.cli.values import file_use, flags, in_words_of, wrong_command_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from buildr.config import Layer, Settings
    from buildr.plan.entry import Entry

function_option = (
    option(
        "--function",
        metavar="NAME",
        help="The decorated function whose options hold, where the script has several.  [default: the one that it calls]",
    ),
)


class Resolved(Struct, frozen=True, kw_only=True):
    """A program, and its effective options."""

    entry: Entry
    settings: Settings
    given: Layer
    """What the command line gives."""


class Target:
    """The program named by a command line.

    Args:
        context: of the command.
        values: of its parameters, by name.
        script: the path of a script.
        module: the name after ``-m``, instead of a script.
        function: the name of the decorated function whose options hold.
        arguments: the arguments of the program.
    """

    def __init__(
        self,
        context: click.Context,
        values: Mapping[str, Any],
        *,
        script: str | None,
        module: str | None,
        function: str | None,
        arguments: tuple[str, ...] = (),
    ) -> None:
        self._context = context
        self._values = values
        self._function = function
        self._said: set[str] = set()
        self.script = script
        self.module = module
        self.arguments = arguments

    def entry(self) -> Entry:
        """Return the program; see `find`."""
        return find(self.script, self.module, self.arguments)

    def resolve(self) -> Resolved:
        """Return the program and its options: flags, variables, the decorator, ``[tool.buildr]``.

        Unreadable options of the decorator are reported once.

        Raises:
            click.UsageError: neither a script nor a module is named, or both.
            EntryError: there is no such program, or its decorator cannot be read.
            OptionError: an option is not valid; its source is named.
        """
        from buildr.config import settle
        from buildr.config.decorated import read_decorator_of
        from buildr.host import console

        with in_words_of(self._context):
            given = flags(self._context, self._values)
            entry = self.entry()
        # Outside, since its errors use the decorator's names of options.
        found = read_decorator_of(entry, self._function)
        with in_words_of(self._context):
            settings = settle(entry, given, decorator=found.layer, file=file_use(self._values))
        for note in found.notes if not settings.package.quiet else ():
            if note not in self._said:
                self._said.add(note)
                console.say(note)
        return Resolved(entry=entry, settings=settings, given=given)


def find(script: str | None, module: str | None, arguments: tuple[str, ...] = ()) -> Entry:
    """Return the entry named by a command line.

    Args:
        script: the path of a script.
        module: the name after ``-m``, instead of a script.
        arguments: the arguments of the script.

    Raises:
        click.UsageError: neither is named, or both.
        EntryError: there is no such script, or no such module in a package here.
    """
    from buildr.plan.entry import script_entry

    if module is not None and script is not None:
        raise click.UsageError("Name a script or a module (-m), not both.")
    with wrong_command_line():
        if module is not None:
            return _module_entry(module, arguments)
        if script is None:
            raise click.UsageError("Missing argument 'SCRIPT'. Or name a module: -m MODULE.")
        return script_entry(script, arguments)


def _module_entry(name: str, arguments: tuple[str, ...]) -> Entry:
    from buildr.errors import EntryError
    from buildr.plan.entry import Entry

    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise EntryError(
            f"{name!r} is not the name of a module",
            hint="For a file leave -m out: `buildr run app.py`. For a module: `buildr run -m package.module`.",
        )
    for root in _roots():
        script = _source(os.path.join(root, *parts))
        if script is not None:
            return Entry(
                kind="module", script=script, module=name, import_root=root, arguments=arguments
            )
        if os.path.isfile(os.path.join(root, parts[0], "__init__.py")):
            raise EntryError(
                f"there is no module {name} in {root}",
                hint=f"The package {parts[0]} is there, but neither {'/'.join(parts)}.py nor"
                f" {'/'.join(parts)}/__main__.py.",
            )
    # Not one of the user's own: of the standard library, or of a dependency that the image installs.
    here = os.getcwd()
    return Entry(kind="module", script="", module=name, import_root=here, arguments=arguments)


def _roots() -> Iterator[str]:
    """Yield the first places of ``python -m``: the current directory, then ``PYTHONPATH``."""
    yield os.getcwd()
    for path in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if path:
            yield os.path.abspath(path)


def _source(base: str) -> str | None:
    for path in (f"{base}/__main__.py", f"{base}.py"):
        if os.path.isfile(path):
            return path
    return None
