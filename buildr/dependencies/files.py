"""Reading the files of dependencies, without leaving the context."""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import threading
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.errors import DependencyError, Message
from buildr.host.files import LARGE_BYTES, read_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.dependencies.model import ProjectFiles

__all__ = ["Text", "decode", "inside", "paths_read", "read_bytes"]

_collected = threading.local()

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark begins this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = rb"coding[:=]\s*([-\w.]+)"
"""PEP 263, as pip reads it in a file of requirements, too."""
_NO_ENCODINGS = ("unicode-escape", "raw-unicode-escape", "undefined", "idna", "punycode")
"""Python's codecs that are not encodings of files."""


class Text(Struct, frozen=True, kw_only=True):
    """The text of a file, and its encoding."""

    text: str
    encoding: str
    mark: bytes
    """The byte order mark that it began with."""

    def encode(self, text: str) -> bytes:
        """Encode another text in the same way."""
        return self.mark + text.encode(self.encoding)


def inside(project: ProjectFiles, path: str, where: str) -> str:
    """Return the real path of a file of the context.

    Args:
        project: the project.
        path: relative to the context.
        where: what names the file, at the beginning of the error: ``requirements.txt:3``.

    Raises:
        DependencyError: it is outside the context, perhaps by a symbolic link, or its name holds a
            control character or cannot be written as UTF-8.
    """
    if re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", path):
        raise DependencyError(
            Message(where, f" names {path!r}, which contains a control character or is not UTF-8"),
            hint="rename the file",
        )
    root = os.path.realpath(project.context)
    real = os.path.realpath(os.path.join(root, path))
    if os.path.commonpath([root, real]) != root or os.path.normpath(path).split("/")[0] == "..":
        raise DependencyError(
            Message(where, f" names {path!r}, which is outside the context {root}"),
            hint=_wider(root, real, where.partition(":")[0]),
        )
    return real


def _wider(root: str, real: str, by: str) -> str:
    """Say which options make a context that holds a file as well.

    Args:
        root: the context, links followed.
        real: the file.
        by: the path of the file that names it, relative to the context; anything where none does.
    """
    common = os.path.commonpath([root, real])
    if common == os.sep or common == os.path.realpath(os.path.expanduser("~")):
        return "move it into the context"
    options = [f'"context": "{os.path.relpath(common, root)}"']
    named = os.path.relpath(os.path.join(root, by), common)
    if by and os.path.isfile(os.path.join(root, by)):
        options.append(f'"dependencies_file": "{named}"')
    words = f" --dependencies-file {named}" if len(options) > 1 else ""
    return (
        f"move it into the context, or let the context hold both: package={{{', '.join(options)}}},"
        f" or --context {os.path.relpath(common, root)}{words}"
    )


@contextlib.contextmanager
def paths_read() -> Iterator[list[str]]:
    """Collect the absolute paths of the files that are read meanwhile, those included that other files name."""
    before = getattr(_collected, "paths", None)
    found: list[str] = []
    _collected.paths = found
    try:
        yield found
    finally:
        _collected.paths = before


def read_bytes(real: str, path: str, where: str = "") -> bytes:
    """Read a regular file of a bounded size.

    Args:
        real: its absolute path.
        path: its path for people.
        where: what names it, ``requirements.txt:3``; empty when nothing does.

    Raises:
        DependencyError: it is not a regular file, is too large, or cannot be read.
    """
    label = f"{where}: {path!r}" if where else path
    if (found := getattr(_collected, "paths", None)) is not None:
        found.append(real)
    try:
        return read_file(real, LARGE_BYTES)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DependencyError(
            f"{label} cannot be read: {reason}",
            hint="check the name, and the permissions of the file",
        ) from None


def decode(data: bytes, path: str) -> Text:
    """Decode a file: by its byte order mark, else by PEP 263's declaration, else as UTF-8.

    Raises:
        DependencyError: it is not in that encoding.
    """
    mark, encoding = next(
        ((mark, name) for mark, name in _BOMS if data.startswith(mark)), (b"", "")
    )
    try:
        if not encoding:
            encoding = _declared(data) or "utf-8"
        return Text(text=data[len(mark) :].decode(encoding), encoding=encoding, mark=mark)
    except (LookupError, UnicodeError):
        raise DependencyError(
            f"{path} is not encoded in {encoding or 'the encoding that it declares'}",
            hint="save it as UTF-8",
        ) from None


def _declared(data: bytes) -> str | None:
    for line in data.split(b"\n", 2)[:2]:
        match = re.search(_DECLARED, line) if line.startswith(b"#") else None
        if match:
            name = codecs.lookup(match[1].decode("ascii")).name
            if name.replace("_", "-") in _NO_ENCODINGS:
                raise LookupError(name)
            return name
    return None
