"""Whether an engine mounts the files that this process sees: in another container or mount namespace it has others at that path.

Before the guest starts, the engine is asked when the target of the mount was last modified. Times have nanoseconds, so two
different files at one path almost never agree. If the source is modified meanwhile, any time between two checks of it is accepted.
"""

from __future__ import annotations

import base64
import json
import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from buildr.errors import BackendError
from buildr.host import cache
from buildr_backends.shared.facts import socket_key

if TYPE_CHECKING:
    from buildr.engines.container_spec import MountSpec
    from buildr_backends.http.client import Client

_KIND = "mounts"
_HEADER = "x-docker-container-path-stat"
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_SECOND = 1_000_000_000


def shows(client: Client, container: str, mount: MountSpec) -> bool:
    """Return whether a created container shows, at the target of a bind mount, what is at its source here.

    Args:
        client: to the engine.
        container: its id.
        mount: of a file or directory of this machine.

    Returns:
        ``True`` also if that is not known.
    """
    try:
        before = os.stat(mount.source)
    except OSError:
        return True  # the engine may see more than this user does
    socket = socket_key(client.endpoint)
    name = cache.key(socket, mount.source, str(before.st_dev), str(before.st_ino))
    if socket and cache.load(_KIND, name) is not None:
        return True
    modified = _modified(client, container, mount.target)
    if modified is None:
        return True
    try:
        after = os.stat(mount.source)
    except OSError:
        return True
    here = range(before.st_mtime_ns, max(before.st_mtime_ns, after.st_mtime_ns) + 1)
    # Files that are shared with a virtual machine may have times in whole seconds.
    coarse = modified % _SECOND == 0 and modified // _SECOND == before.st_mtime_ns // _SECOND
    if modified not in here and not coarse:
        return False
    if socket:
        cache.store(_KIND, name, b"")
    return True


def _modified(client: Client, container: str, path: str) -> int | None:
    """Return when a path in a container was last modified, in nanoseconds since the epoch; ``None`` where that is not known."""
    try:
        response = client.request(
            "HEAD", f"/containers/{container}/archive", query={"path": path}, ok=(200,)
        )
        response.read()
        found = json.loads(base64.b64decode(response.headers.get(_HEADER, "")))
        match = _TIME.fullmatch(found["mtime"])
        if match is None:
            return None
        zone = "+00:00" if match[3] == "Z" else match[3]
        seconds = datetime.fromisoformat(f"{match[1]}{zone}").astimezone(UTC).timestamp()
    except (BackendError, ValueError, LookupError, TypeError):
        return None
    return int(seconds) * _SECOND + int((match[2] or "").ljust(9, "0"))
