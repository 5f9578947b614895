"""Frames between the host and a worker: a byte that says what it is, the length as a big-endian 64-bit number, and the data.

They go through separate FIFOs, so that neither output nor input of a function interferes.
"""

from __future__ import annotations

import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional, Tuple, Union

    Bytes = Union[bytes, bytearray, memoryview]

HEAD = struct.Struct(">cQ")
READY = b"r"
"""From a worker: it is ready for calls."""
CALL = b"c"
"""To a worker: a request, in the format of `buildr.guest.transfer.message`."""
ANSWER = b"a"
"""From a worker: the outcome of the call, in the same format."""
LAST = b"l"
"""The same, and the worker ends."""
END = b"e"
"""To a worker: there are no more calls."""

REQUESTS, ANSWERS, STDOUT, STDERR = "requests", "answers", "stdout", "stderr"
"""The FIFOs' names in their folder."""
_AT_ONCE = 512  # parts; the kernel takes up to 1024 (IOV_MAX)
PIPE_BYTES = 1 << 20
"""What one holds, where the kernel allows it: fewer turns for large data."""


def write(file: int, kind: bytes, *parts: Bytes) -> None:
    """Write a frame, whose data may be in parts."""
    send(
        file, [memoryview(part) for part in (HEAD.pack(kind, sum(map(len, parts))), *parts) if part]
    )


def send(file: int, left: List[memoryview]) -> None:
    """Write data; take what has been written out of the list, also where a descriptor that does not wait has no more room.

    Raises:
        BlockingIOError: there is no more room.
    """
    while left:
        written = os.writev(file, left[:_AT_ONCE])
        while left and written >= len(left[0]):
            written -= len(left.pop(0))
        if left:
            left[0] = left[0][written:]


def read(file: int) -> Optional[Tuple[bytes, bytearray]]:
    """Read a frame; ``None`` where the other side has closed the FIFO."""
    head = _exactly(file, HEAD.size)
    if head is None:
        return None
    kind, length = HEAD.unpack(head)
    data = _exactly(file, length)
    return None if data is None else (kind, data)


def _exactly(file: int, count: int) -> Optional[bytearray]:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = os.readv(file, [view])
        if not got:
            return None
        view = view[got:]
    return data


def open_fifo(folder: str, name: str, flags: int) -> int:
    """Open a FIFO whose other end is open, without blocking."""
    file = os.open(os.path.join(folder, name), flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    os.set_blocking(file, True)
    return file
