"""What a command line names: a script, or a module as ``python -m`` finds it, without importing anything."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.plan.entry import Entry


def find(script: str | None, module: str | None, arguments: tuple[str, ...] = ()) -> Entry:
    """Return the entry that a command line names.

    Args:
        script: the path of a script.
        module: the name behind ``-m``, in place of a script.
        arguments: what the script gets.

    Raises:
        click.UsageError: neither is named, or both.
        EntryError: there is no such script, or no such module in a package that lies here.
    """
    from buildr.plan.entry import script_entry

    if module is not None and script is not None:
        raise click.UsageError("Name a script or a module (-m), not both.")
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
            f"{name!r} is no name of a module",
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
                hint=f"The package {parts[0]} lies there, but neither {'/'.join(parts)}.py nor"
                f" {'/'.join(parts)}/__main__.py.",
            )
    # Not one of the user's own: of the standard library, or of a dependency that the image installs.
    here = os.getcwd()
    return Entry(kind="module", script="", module=name, import_root=here, arguments=arguments)


def _roots() -> Iterator[str]:
    """Yield where ``python -m`` looks first: the current directory, then ``PYTHONPATH``."""
    yield os.getcwd()
    for path in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        if path:
            yield os.path.abspath(path)


def _source(base: str) -> str | None:
    for path in (f"{base}/__main__.py", f"{base}.py"):
        if os.path.isfile(path):
            return path
    return None
