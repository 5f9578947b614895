"""The place of a program in the context, and so in the image."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.errors import ContextError, Message, OptionName
from buildr.layout import APP
from buildr.plan.root import find_root, has_inline_metadata, is_wide

if TYPE_CHECKING:
    from buildr.plan.entry import Entry


class Placement(Struct, frozen=True, kw_only=True):
    """The place of an entry in the context, and so in the image."""

    context: str
    """The absolute path on the host."""
    command: tuple[str, ...]
    """The guest's command without the script's arguments: ``python -u /app/…``."""
    workdir: str
    """The absolute path in the image that corresponds to the current directory on the host."""


def place(entry: Entry, context: str | None) -> Placement:
    """Choose the context and the guest's command.

    The context is the root of the script's project (`buildr.plan.root`), else the script's own directory; ``context``
    names another. A script with inline metadata is a separate project: its context is the current directory if that
    contains it, else its own directory.

    Args:
        entry: the program.
        context: the option, relative to the directory in which the program was started.

    Raises:
        ContextError: the context is not a directory, does not contain the script, or is ``/``, the home directory or
            the like.
    """
    start = entry.directory or _current()
    inner = entry.import_root or entry.script
    if context is not None:
        root = os.path.normpath(os.path.join(start, os.path.expanduser(context)))
        if not os.path.isdir(root):
            raise ContextError(f"the context {context} is not a directory")
    else:
        root = _root(entry, inner, start)
    if entry.kind == "script" and _within(os.path.realpath(inner), root) is None:
        # A link out of the context stands for its target, from which Python imports, too.
        inner = os.path.realpath(inner)
        root = root if context is not None else _root(entry, inner, start)
    if context is None and is_wide(root):
        raise ContextError(
            f"{root} would be sent to the build as a whole, which is probably not intended",
            hint=Message(
                "Put the script into a directory of its own; or to send it all the same, set ",
                OptionName("package.context"),
                f" to {root!r} (buildr run --context {root}).",
            ),
        )
    relative = _within(inner, root)
    if relative is None:
        raise ContextError(
            f"the script {entry.script} is not in the context {root}",
            hint=Message(
                "Name a context that contains it: ",
                OptionName("package.context"),
                " (buildr run --context DIRECTORY).",
            ),
        )
    workdir = _join(APP, _within(start, root) or ".")
    if entry.kind == "module":
        # `python -m` searches the current directory first, on the host and in the guest.
        command = ("python", "-u", "-m", entry.module)
        return Placement(context=root, command=command, workdir=_join(APP, relative))
    return Placement(context=root, command=("python", "-u", _join(APP, relative)), workdir=workdir)


def _root(entry: Entry, inner: str, start: str) -> str:
    own = _directory(inner)
    if entry.kind == "script" and has_inline_metadata(entry.source):
        return own if _within(inner, start) is None or is_wide(start) else start
    found = find_root(own)
    return own if found is None else found.directory


def _current() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        raise ContextError(
            "the current directory does not exist any more",
            hint="Change to one that does, for example with `cd`.",
        ) from None


def _within(path: str, root: str) -> str | None:
    """Return ``path`` relative to ``root``, or ``None`` if it is not below it."""
    for inner, outer in ((path, root), (os.path.realpath(path), os.path.realpath(root))):
        if inner == outer:
            return "."
        prefix = outer.rstrip("/") + "/"
        if inner.startswith(prefix):
            return inner[len(prefix) :]
    return None


def _directory(path: str) -> str:
    return path if os.path.isdir(path) else os.path.dirname(path)


def _join(base: str, relative: str) -> str:
    return base if relative == "." else f"{base}/{relative}"
