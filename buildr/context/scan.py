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
    bring back something below it. Of files only those are read whose name leaves open whether they hold a secret; source
    code and large files are not among them. What vanishes during the walk counts as not there.

    Args:
        root: the context.
        rules: from its ignore file; None means the defaults.
        include_secrets: send likely secrets too.
        without: what is left out whatever the rules say.
        known: whether a file has not changed since an earlier scan with the same arguments looked into it and let it travel.
        pins: holds the contents of files that are written to all the time.

    Raises:
        ContextError: something that should travel cannot be read, or a
            name would be taken for a deletion by the engines.
    """
    walk = Walk(os.fspath(root), rules or default_rules(), known, pins)
    walk.include_secrets = include_secrets
    walk.without = without
    return walk.run()


def scan_file(path: Path, pins: Pins | None = None) -> Scan:
    """Find one file, as if it were all that is in its folder.

    Args:
        path: a regular file, its links followed.
        pins: holds its content if it is written to all the time.

    Raises:
        ContextError: it is not there, or cannot be read.
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
