"""Who is at the other end of an engine's socket."""

from __future__ import annotations

import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildr_backends._http import Endpoint

_OVERFLOW_UID = 65534  # a uid that our user namespace does not map
_UCRED = struct.Struct("3i")  # pid, uid, gid


def peer_uid(endpoint: Endpoint) -> int:
    """Return the uid that listens, as the kernel tells it (unix(7), ``SO_PEERCRED``).

    An engine is rootless when it is not root's. Over TCP nobody can tell: 0, the cautious answer, as an engine
    on a TCP port is a rootful one as a rule.
    """
    if endpoint.remote:
        return 0
    with endpoint.connect(1.0) as connection:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    uid: int = _UCRED.unpack(credentials)[1]
    # A rootless engine whose socket was opened inside its user namespace is seen as its user from here.
    return uid if uid != _OVERFLOW_UID else os.geteuid()
