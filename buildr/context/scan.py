"""Scans a context: finds the files, folders and links that travel."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from buildr.context.entries import Entry, Scan, Skipped, Without, printable
from buildr.context.ignore.defaults import default_rules
from buildr.context.listing import entry_of, may_read
from buildr.context.walk import Walk
from buildr.errors import ContextError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from buildr.context.ignore.rules import IgnoreRules
    from buildr.context.pins import Pins

__all__ = ["Entry", "Scan", "Skipped", "scan", "scan_file"]


def scan(
    root: Path,
    *,
    rules: IgnoreRules | None,
    include_secrets: bool = False,
    without: Without = Without(),  # noqa: B008 - it is immutable
    known: Callable[[Entry], bool] = lambda _: False,
    pins: Pins | None = None,
) -> Scan:
    """Find what travels of the directory ``root``.

    Links are kept as links and never followed. A folder that is left out is not entered, unless a rule may
    bring back something below it. Files are read only if their names leave open whether they contain a secret, which
    excludes source code and large files. Files that vanish during the walk are skipped.

    Args:
        root: the context.
        rules: the rules of its ignore file; ``None``: the defaults.
        include_secrets: send likely secrets too.
        without: paths to leave out regardless of the rules.
        known: whether a file is unchanged since an earlier scan with the same arguments included it.
        pins: holds the contents of files that change constantly.

    Raises:
        ContextError: a file cannot be read, or engines would take a name for a deletion.
    """
    walk = Walk(os.fspath(root), rules or default_rules(), known, pins)
    walk.include_secrets = include_secrets
    walk.without = without
    return walk.run()


def scan_file(path: Path, pins: Pins | None = None) -> Scan:
    """Scan one file, as if it were alone in its folder.

    Args:
        path: a regular file, its links followed.
        pins: holds its content if it changes constantly.

    Raises:
        ContextError: it does not exist, or cannot be read.
    """
    try:
        status = os.stat(path, follow_symlinks=False)
        if not may_read(os.fspath(path)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        entry = entry_of(path.name, "file", status)
        if pins is not None:
            entry = pins.pin(os.fspath(path), entry)
    except OSError as error:
        raise ContextError(
            f"the additional file {printable(os.fspath(path))} cannot be read: {error.strerror}",
            hint="Make it readable for you, or leave it out.",
        ) from error
    return Scan(entries=(entry,), secrets=(), skipped=())
