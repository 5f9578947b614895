"""Copies standard input to the guest."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
import threading
from typing import TYPE_CHECKING, Self

from buildr.errors import EngineLostError
from buildr.host.signals import block_signals

if TYPE_CHECKING:
    from buildr.engines.streams import Attachment

_BUFFER = 1 << 16  # bytes, the capacity of a pipe
_BACKGROUND_MS = 200  # between two checks whether a background process may read again


def is_null() -> bool:
    """Whether standard input is ``/dev/null``: then the guest gets its own, and nothing is copied."""
    try:
        status = os.fstat(0)
        return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.stat(os.devnull).st_rdev
    except OSError:
        return False


class Feed:
    """A thread that writes a given text to the guest's standard input; a context manager.

    It is a thread, since a guest may fill the output streams before it reads.
    """

    def __init__(self, attachment: Attachment, data: bytes) -> None:
        self._attachment = attachment
        self._data = data
        self._thread = threading.Thread(target=self._serve, name="buildr-stdin", daemon=True)

    def __enter__(self) -> Self:
        """Begin to write."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop writing."""
        self._attachment.close()  # as with `StdinPump`
        self._thread.join()

    def _serve(self) -> None:
        block_signals()
        with contextlib.suppress(EngineLostError):  # the guest does not read any more
            self._attachment.write(self._data)
            self._attachment.close_write()


class StdinPump:
    """A thread that copies standard input to the guest until its end; a context manager.

    It reads only available input, so that after the guest's end the rest is left for the next reader.
    """

    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._serve, name="buildr-stdin", daemon=True)

    def __enter__(self) -> Self:
        """Begin to copy."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop copying."""
        os.write(self._wake_write, b"x")
        # If the guest ended without reading, the thread may be in a write, which ends with the connection.
        self._attachment.close()
        self._thread.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _serve(self) -> None:
        block_signals()  # SIGTTIN too: a read from the background then fails instead of stopping the process
        try:
            self._copy()
            self._attachment.close_write()
        except EngineLostError:
            pass  # the guest does not read any more; its end is noticed where its output is read

    def _copy(self) -> None:
        poll = select.poll()
        with contextlib.suppress(OSError):
            poll.register(0, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if self._wake_read in ready or ready.get(0, 0) & select.POLLNVAL:
                return
            try:
                data = os.read(0, _BUFFER)
            except OSError as error:
                if error.errno == errno.EIO and os.isatty(0):
                    # A background process must not read a terminal, and a guest that does not read must not be stopped
                    # for that.
                    poll.unregister(0)
                    if poll.poll(_BACKGROUND_MS):
                        return
                    poll.register(0, select.POLLIN)
                    continue
                return
            if not data:
                return
            self._attachment.write(data)
