"""Copies the guest's output to this process's descriptors, and checks that it is complete.

The end of the streams proves little: the guest may have ended, or the connection may have broken between two frames,
for example because the engine stopped. So the output is compared with the engine's log, and missing output is read from
there. For long output only the end is compared, which takes at most a millisecond.
"""

from __future__ import annotations

import contextlib
import os
import sys
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from buildr.engines.streams import STDOUT
from buildr.errors import BackendError, BuildrError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.engines.containers import Containers
    from buildr.engines.streams import Attachment
    from buildr.run.control import Control

_STREAM = itemgetter(0)
_FD = {STDOUT: 1}  # everything else is standard error
_REPLACED = b"\xef\xbf\xbd"  # U+FFFD, which replaces invalid UTF-8 in Docker's logs
_WHOLE_BYTES = 1 << 16  # up to this size a stream is compared completely
_TAIL_BYTES = 1 << 12  # of longer streams, this much of the end
_TAIL_LINES = 10


class Moved:
    """The written output.

    Attributes:
        counts: the number of bytes, by descriptor.
    """

    def __init__(self) -> None:
        self.counts = {1: 0, 2: 0}
        self._ends = {1: b"", 2: b""}

    def add(self, fd: int, data: memoryview) -> None:
        """Account for one piece."""
        self.counts[fd] += len(data)
        if self.counts[fd] <= _WHOLE_BYTES:
            self._ends[fd] += data
        elif len(data) >= _TAIL_BYTES:
            self._ends[fd] = bytes(data[-_TAIL_BYTES:])
        else:
            self._ends[fd] = (self._ends[fd] + data)[-_TAIL_BYTES:]

    def all_of(self, fd: int) -> bytes | None:
        """Return everything that was written to a descriptor; ``None`` if it was too much to keep."""
        return self._ends[fd] if self.counts[fd] <= _WHOLE_BYTES else None

    def end_of(self, fd: int) -> bytes:
        """Return the end of the written output."""
        return self._ends[fd][-_TAIL_BYTES:]


def flush_own() -> None:
    """Flush this process's own output, so that it precedes the guest's."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed or replaced
            stream.flush()


def move_output(attachment: Attachment, control: Control, moved: Moved) -> None:
    """Write the guest's output until the end of the streams."""
    flush_own()
    control.reading = True
    while pieces := attachment.read():
        control.reading = False
        control.heard = True
        # Many short lines come as many pieces: the work per piece would slow down the guest.
        for stream_number, group in groupby(pieces, key=_STREAM):
            fd = _FD.get(stream_number, 2)
            data = _joined([piece for _, piece in group])
            write(fd, data)
            moved.add(fd, data)
        control.reading = True
    control.reading = False


def _joined(pieces: list[memoryview]) -> memoryview:
    return pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))


def write(fd: int, data: memoryview) -> None:
    """Write everything, even to a slow reader.

    Raises:
        BrokenPipeError: the reader is gone.
        BuildrError: the output cannot be written.
    """
    while data:
        try:
            written = os.write(fd, data)
        except BlockingIOError:  # the descriptor is non-blocking: wait until it accepts more
            import select

            select.select((), (fd,), ())
            continue
        except BrokenPipeError:
            raise
        except OSError as error:
            stream = "output" if fd == 1 else "error"
            raise BuildrError(
                f"standard {stream} cannot be written: {error.strerror}",
                hint="The container was stopped, since what it wrote would have been lost.",
            ) from None
        data = data[written:]


def complete(backend: Containers, container: str, moved: Moved) -> bool:
    """Write the missing output of an ended guest; return whether it is complete now."""
    left = dict(moved.counts)
    try:
        for fd, data in _logs(backend, container):
            if _REPLACED in bytes(data):
                return False  # positions in it are meaningless
            skipped = min(left[fd], len(data))
            left[fd] -= skipped
            write(fd, data[skipped:])
    except BackendError:
        return False
    return not any(left.values())


def complete_if_cut(backend: Containers, container: str, moved: Moved) -> None:
    """Write the missing output of an ended guest, if its log begins with the written output.

    A log that cannot be read, or that begins differently, is ignored.
    """
    with contextlib.suppress(BackendError):
        if any(moved.all_of(fd) is None for fd in moved.counts):
            if _ends_otherwise(backend, container, moved):
                complete(backend, container, moved)
        else:
            _write_what_follows(backend, container, moved)


def _write_what_follows(backend: Containers, container: str, moved: Moved) -> None:
    left = {fd: memoryview(moved.all_of(fd) or b"") for fd in moved.counts}
    break_of: int | None = None
    follows = False
    for fd, data in _logs(backend, container):
        known, rest = data[: len(left[fd])], data[len(left[fd]) :]
        if known != left[fd][: len(known)] or _REPLACED in bytes(rest):
            return
        left[fd] = left[fd][len(known) :]
        if not rest:
            continue
        if (
            not follows
            and bytes(rest) == b"\n"
            and moved.counts[fd]
            and moved.end_of(fd)[-1:] != b"\n"
        ):
            break_of, follows = (
                fd,
                True,
            )  # Podman's log adds a line end that the guest did not write
            continue
        if break_of is not None:
            write(break_of, memoryview(b"\n"))
            break_of = None
        follows = True
        write(fd, rest)


def _ends_otherwise(backend: Containers, container: str, moved: Moved) -> bool:
    """Whether the last lines of the log differ from the last written ones."""
    lines = min(
        _TAIL_LINES, *(moved.end_of(fd).count(b"\n") for fd in moved.counts if moved.counts[fd])
    )
    if not lines:
        return False  # one line may be as long as the whole output
    ends = dict.fromkeys(moved.counts, b"")
    for fd, data in _logs(backend, container, tail=lines):
        ends[fd] = (ends[fd] + data)[-_WHOLE_BYTES:]
    if any(_REPLACED in end for end in ends.values()):
        return False
    return any(not _agree(moved.end_of(fd), end) for fd, end in ends.items())


def _agree(written: bytes, logged: bytes) -> bool:
    """Whether one of two texts ends with the other, ignoring line ends.

    For the last lines of a log, Podman moves the line ends of lines that were written in pieces.
    """
    written, logged = written.replace(b"\n", b""), logged.replace(b"\n", b"")
    return written.endswith(logged) or logged.endswith(written)


def _logs(
    backend: Containers, container: str, *, tail: int | None = None
) -> Iterator[tuple[int, memoryview]]:
    with contextlib.closing(backend.logs(container, tail=tail)) as logs:
        while pieces := logs.read():
            for stream_number, data in pieces:
                yield _FD.get(stream_number, 2), data
