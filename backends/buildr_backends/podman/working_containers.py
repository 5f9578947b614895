"""The containers that Podman's builds work in, which only ``podman ps --external`` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from buildr_backends.http.client import Client

PREFIX = "/v4.0.0/libpod"
"""What Podman 4.0 serves, all later versions serve."""


def working_containers(client: Client) -> set[str]:
    """Return the ids of the containers that builds have made and not yet removed."""
    query = {"external": "true", "all": "true"}
    return client.request("GET", "/containers/json", query=query).json(
        lambda rows: {row["Id"] for row in rows or () if row.get("State") == "storage"}
    )
