"""Finds the ignore file of a context. Its rules are parsed only when the context is scanned."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from buildr.errors import ContextError
from buildr.host.files import read_file

if TYPE_CHECKING:
    from pathlib import Path

    from buildr.context.ignore.rules import IgnoreRules

__all__ = ["IgnoreFile", "read_ignore_file"]

_MOST_BYTES = 128 << 10  # each path is held against all of it


class IgnoreFile(NamedTuple):
    """An ignore file that was read and not yet understood.

    Attributes:
        source: its path.
        text: all of it.
    """

    source: str
    text: str

    def parse(self) -> IgnoreRules:
        """Parse it.

        A file of nothing but ``!`` lines says nothing to Docker. Here it is how a user asks for a file that
        is held back, and must not lose the defaults by that.

        Raises:
            ContextError: it has an invalid pattern.
        """
        from buildr.context.ignore.defaults import rules_after_defaults
        from buildr.context.ignore.rules import IgnoreRules

        rules = IgnoreRules.parse(self.text, source=self.source)
        if rules.only_exceptions:
            return rules_after_defaults(self.text.removeprefix("\ufeff"), self.source)
        return rules


def read_ignore_file(context: Path, containerfile: Path | None = None) -> IgnoreFile | None:
    """Read the ignore file that applies to ``context``.

    The first that exists: ``<containerfile>.dockerignore``, ``<containerfile>.containerignore`` (in this
    order as in Docker and in Buildah), then ``.containerignore`` and ``.dockerignore`` of the context.

    Args:
        context: the directory.
        containerfile: the user's own Containerfile, if there is one.

    Returns:
        None where there is no ignore file: then the defaults apply.

    Raises:
        ContextError: the ignore file cannot be read.
    """
    candidates = [context / ".containerignore", context / ".dockerignore"]
    if containerfile is not None:
        suffixes = (".dockerignore", ".containerignore")
        candidates[:0] = [
            containerfile.with_name(containerfile.name + suffix) for suffix in suffixes
        ]
    for path in candidates:
        try:
            data = read_file(path, _MOST_BYTES)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ContextError(
                f"The ignore file {path} cannot be read: {error.strerror}",
                hint="Make it a regular file that you may read, or remove it.",
            ) from error
        return IgnoreFile(os.fspath(path), os.fsdecode(data))
    return None
