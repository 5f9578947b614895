"""The log of a container, the same for both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr_backends.shared.attach import ResponseStreams
from buildr_backends.shared.engine import SOON_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildr.engines.streams import Attachment
    from buildr_backends.http.client import Client


def read_logs(
    client: Client, container: str, asked: Mapping[str, float | None], *, framed: bool
) -> Attachment:
    """Open a container's log.

    Args:
        client: the engine's.
        container: its id.
        asked: the options of `buildr.engines.containers.Containers.logs`.
        framed: whether the log tells the streams apart.
    """
    query = {"stdout": "1", "stderr": "1", "follow": "1" if asked["follow"] else "0"}
    if (tail := asked["tail"]) is not None:
        query["tail"] = str(tail)
    if (since := asked["since"]) is not None:
        query["since"] = f"{since:.9f}"
    if asked["timestamps"]:
        query["timestamps"] = "1"
    path = f"/containers/{container}/logs"
    if asked["follow"]:
        response = client.request("GET", path, query=query, seconds=None)
    else:
        response = client.expect(SOON_SECONDS, "GET", path, query=query)
    return ResponseStreams(response, framed=framed)
