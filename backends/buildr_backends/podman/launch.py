"""Starting ``podman system service`` on a socket that listens already.

The socket is handed to the service as systemd would hand it over (sd_listen_fds(3): the socket is descriptor 3,
``LISTEN_FDS`` and ``LISTEN_PID`` are set). It listens before Podman has started, so no one has to poll for it: the first
request simply waits in the queue.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING

from buildr.host import children
from buildr_backends.podman.configuration import idle_seconds
from buildr_backends.podman.service_environment import service_environment

if TYPE_CHECKING:
    from buildr_backends.http.endpoint import Endpoint

_BACKLOG = 128  # of the listening socket, for fifty runs at once
_LISTEN_SECONDS = 1.0  # until a service that listens has taken a connection
_LISTEN_FD = 3  # SD_LISTEN_FDS_START

# A signal that is ignored here stays ignored in whatever the service starts; Python itself ignores the last two.
_SIGNALS = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGPIPE,
    signal.SIGXFSZ,
)


def start(podman: str, path: str, log: str, temporary: str | None = None) -> int:
    """Start a service; return its process.

    Args:
        podman: path of the program.
        path: of the socket.
        log: path of the file for its output.
        temporary: the folder for its temporary files; ``None``: where it keeps them by default.

    Raises:
        OSError: it cannot be started.
    """
    children.collect()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen(_BACKLOG)
        environ = service_environment()
        if temporary is not None:
            environ["TMPDIR"] = temporary
        # LISTEN_PID must be the pid of Podman itself, which only a shell that becomes it can know.
        # Without an address: Podman would remove the socket that an address names. The first user's directory
        # may disappear while the service runs, and its umask is not for others.
        become = 'cd / && umask 022 && LISTEN_PID=$$ exec "$0" system service --time="$1"'
        write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        pid = os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", become, podman, str(idle_seconds())],
            environ | {"LISTEN_FDS": "1"},
            file_actions=[
                # First of all, since the listener may have the number of a standard stream that was closed.
                (os.POSIX_SPAWN_DUP2, listener.fileno(), _LISTEN_FD),
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, write, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                *(
                    (os.POSIX_SPAWN_CLOSE, descriptor)
                    for descriptor in children.inherited(_LISTEN_FD)
                ),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=_SIGNALS,
        )
    children.note(pid)
    return pid


def listens(endpoint: Endpoint) -> bool:
    """Whether a service accepts connections."""
    try:
        endpoint.connect(_LISTEN_SECONDS).close()
    except OSError:
        return False
    return True
