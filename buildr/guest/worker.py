"""The loop of a worker: one call after the other, in one process, with requests and answers through FIFOs of the host's.

Standard output and error become FIFOs, too. What has been written to one of them is there for the host to read before the
answer is, so that the host can show all of it first.
"""

from __future__ import annotations

import os
import sys

from buildr.guest import frames
from buildr.guest.transfer import head_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Tuple

_INTERRUPTED = 130  # 128 + SIGINT


def serve(folder: str, respond: Callable[[bytearray], Tuple[Any, ...]]) -> int:
    """Answer calls until the host has no more, or a function ends the program; return the exit status.

    Args:
        folder: where the FIFOs are.
        respond: returns the head and the parts of the answer to a request.
    """
    pid = os.getpid()
    try:
        requests = frames.open_fifo(folder, frames.REQUESTS, os.O_RDONLY)
        answers = frames.open_fifo(folder, frames.ANSWERS, os.O_WRONLY)
        for name, file in ((frames.STDOUT, 1), (frames.STDERR, 2)):
            opened = frames.open_fifo(folder, name, os.O_WRONLY)
            os.dup2(opened, file)
            os.close(opened)
        frames.write(answers, frames.READY)
        while True:
            frame = frames.read(requests)
            if frame is None or frame[0] != frames.CALL:
                return 0
            head, *parts = respond(frame[1])
            if os.getpid() != pid:
                return 0  # a child that the function forked, and let return
            ends = bool(head.get("ends"))
            kind = frames.LAST if ends else frames.ANSWER
            frames.write(answers, kind, head_line(head, sum(map(len, parts))), *parts)
            if ends:
                return 1
            del frame, head, parts  # they may be large
    except KeyboardInterrupt:
        return _INTERRUPTED
    except OSError as error:  # the host reads no more, since too much was written there
        if os.getpid() == pid:
            sys.stderr.write(
                "buildr: the answer to a call cannot be written: %s\n" % error.strerror
            )
        return 1
