"""The output of an installation: its answer, an archive, and pip's log; packages that it builds may write there, too."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from msgspec import convert

from buildr.engines.streams import STDOUT
from buildr.errors import BuildError
from buildr.host.documents import read_json
from buildr.host.limits import INSTALLATION_ANSWER, INSTALLATION_VALUES, INSTALLED

if TYPE_CHECKING:
    from typing import BinaryIO

    from buildr.engines.streams import Attachment
    from buildr.installer.log import Log

T = TypeVar("T")


def receive(streams: Attachment, file: BinaryIO, log: Log) -> bytes:
    """Return the first line of standard output, and write the rest to a file; standard error is pip's log.

    Raises:
        BuildError: there is more than an installation may write, or no space for it.
    """
    first = bytearray()
    whole = False
    left = INSTALLED
    while pieces := streams.read():
        for stream, data in pieces:
            if stream != STDOUT:
                log.add(bytes(data))
                continue
            rest = bytes(data)
            if not whole:
                head, newline, rest = rest.partition(b"\n")
                first += head
                if len(first) > INSTALLATION_ANSWER:
                    raise _not_ours()
                whole = bool(newline)
            left -= len(rest)
            if left < 0:
                raise BuildError(
                    f"dependencies cannot be installed: they take more than {INSTALLED >> 30} GiB",
                    hint="What does a package write while it is installed?",
                )
            try:
                file.write(rest)
            except OSError as error:
                raise BuildError(
                    f"what was installed cannot be kept in {os.path.dirname(file.name)}: {error.strerror}",
                    hint="Free space there, or name another folder in TMPDIR.",
                ) from None
    log.flush()
    return bytes(first) if whole else b""


def read_answer(line: bytes, form: type[T]) -> T:
    """Read the first line.

    Args:
        line: the received line.
        form: the expected type.

    Raises:
        BuildError: it has another form.
    """
    try:
        return convert(read_json(line, most_values=INSTALLATION_VALUES), form)
    except (ValueError, RecursionError):
        raise _not_ours() from None


def _not_ours() -> BuildError:
    return BuildError(
        "dependencies cannot be installed: a package writes into what the installation answers",
        hint="Its build writes to the container's own standard output.",
    )
