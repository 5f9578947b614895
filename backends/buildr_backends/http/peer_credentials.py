"""Who is at the other end of an engine's socket."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildr_backends.http.endpoint import Connection

_UCRED = struct.Struct("3i")  # pid, uid, gid
_OVERFLOW_UID = 65534  # stands for every uid that our own user namespace does not know


def is_rootless(connection: Connection) -> bool:
    """Return whether the engine at the other end runs without root's rights.

    It does when its socket is not root's, as the kernel tells (unix(7), ``SO_PEERCRED``: who listens). The cautious
    answer is no. It is given where nobody can tell: over TCP, where an engine is a rootful one as a rule, and from
    inside a user namespace that does not know the owner, who then is not the user and hence most likely root.
    """
    if not isinstance(connection, socket.socket) or connection.family != socket.AF_UNIX:
        return False
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return _UCRED.unpack(credentials)[1] not in (0, _OVERFLOW_UID)
