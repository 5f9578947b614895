"""Where a program lies in the context, and so in the image."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.errors import ContextError, Message, OptionName
from buildr.layout import APP

if TYPE_CHECKING:
    from buildr.plan.entry import Entry


class Placement(Struct, frozen=True, kw_only=True):
    """Where an entry lies in the context, and so in the image."""

    context: str
    """Absolute path on the host."""
    command: tuple[str, ...]
    """The guest's command without the script's arguments: ``python -u /app/…``."""
    workdir: str
    """Absolute path in the image: where the current directory of the host is found there."""


def place(entry: Entry, context: str | None) -> Placement:
    """Choose the context and the guest's command.

    The context is the current directory when the script lies in it and it is no wide one such as the home
    directory, otherwise the script's own directory; ``context`` names another.

    Args:
        entry: the program.
        context: the option, relative to the current directory.

    Raises:
        ContextError: the context is no directory, does not hold the script, or is ``/`` or the home directory.
    """
    current = os.getcwd()
    inner = entry.import_root or entry.script
    if context is not None:
        root = os.path.abspath(os.path.expanduser(context))
        if not os.path.isdir(root):
            raise ContextError(f"the context {context} is not a directory")
    else:
        root = current
        if _within(inner, current) is None or _is_wide(current):
            root = _directory(inner)
    if entry.kind == "script" and _within(os.path.realpath(inner), root) is None:
        # A link that leads out of the context stands for its target: Python imports from there, too.
        inner = os.path.realpath(inner)
        root = root if context is not None else _directory(inner)
    if context is None and _is_wide(root):
        raise ContextError(
            f"{root} would be sent to the build as a whole, which is probably not intended",
            hint=Message(
                "Put the script into a directory of its own; or to send it all the same, set ",
                *(OptionName("package.context"), f" to {root!r} (buildr run --context {root})."),
            ),
        )
    relative = _within(inner, root)
    if relative is None:
        raise ContextError(
            f"the script {entry.script} does not lie in the context {root}",
            hint=Message(
                *("Name a context that contains it: ", OptionName("package.context")),
                " (buildr run --context DIRECTORY).",
            ),
        )
    workdir = _join(APP, _within(current, root) or ".")
    if entry.kind == "module":
        # `python -m` searches the current directory first, on the host and in the guest.
        command = ("python", "-u", "-m", entry.module)
        return Placement(context=root, command=command, workdir=_join(APP, relative))
    return Placement(context=root, command=("python", "-u", _join(APP, relative)), workdir=workdir)


def _within(path: str, root: str) -> str | None:
    """Return ``path`` relative to ``root``, or ``None`` when it lies elsewhere."""
    for inner, outer in ((path, root), (os.path.realpath(path), os.path.realpath(root))):
        if inner == outer:
            return "."
        prefix = outer.rstrip("/") + "/"
        if inner.startswith(prefix):
            return inner[len(prefix) :]
    return None


def _directory(path: str) -> str:
    return path if os.path.isdir(path) else os.path.dirname(path)


def _is_wide(directory: str) -> bool:
    """Whether this is ``/``, the home directory or one above it, which holds much that no image is meant to have."""
    home = os.path.realpath(os.path.expanduser("~"))
    real = os.path.realpath(directory)
    return real in ("/", home) or home.startswith(real.rstrip("/") + "/")


def _join(base: str, relative: str) -> str:
    return base if relative == "." else f"{base}/{relative}"
