"""A fake ``podman system service``: records how it was started, and answers pings on descriptor 3.

Run by itself, with the directory for its notes in ``FAKE_NOTES``; ends when a request for ``/end`` comes.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import sys

ANSWER = (
    b"HTTP/1.1 200 OK\r\nLibpod-API-Version: 4.3.1\r\nServer: Libpod/4.3.1 (linux)\r\n"
    b"Content-Length: 2\r\nConnection: close\r\n\r\nOK"
)


def main() -> None:
    """Serve."""
    note = {
        "pid": os.getpid(),
        "session": os.getsid(0),
        "directory": os.getcwd(),
        "umask": _umask(),
        "arguments": sys.argv[1:],
        "environ": dict(os.environ),
        "descriptors": _descriptors(),
    }
    path = f"{os.environ['FAKE_NOTES']}/{os.getpid()}.json"
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(note, file)
    os.rename(f"{path}.new", path)
    listener = socket.socket(fileno=3)
    while True:
        connection, _ = listener.accept()
        with connection:
            request = connection.recv(4096)
            if request.startswith(b"GET /end "):
                return
            if request:
                with contextlib.suppress(BrokenPipeError):  # it was asked before it was up
                    connection.sendall(ANSWER)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _descriptors() -> dict[str, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            kind = stat.S_IFMT(os.fstat(int(name)).st_mode)
            found[name] = (
                "socket" if kind == stat.S_IFSOCK else os.readlink(f"/proc/self/fd/{name}")
            )
        except OSError:
            continue  # that of the listing itself
    return found


if __name__ == "__main__":
    main()
