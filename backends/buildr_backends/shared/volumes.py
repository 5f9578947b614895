"""Volumes over HTTP: the part that is the same on both engines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from buildr.engines.records import Volume
from buildr.errors import EngineError
from buildr_backends.http.request import json_content, quote
from buildr_backends.shared.engine import HttpEngine, label_filter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from buildr_backends.http.client import Client


class HttpVolumes(HttpEngine):
    """The shared part of `buildr.engines.volumes.Volumes`."""

    _volumes = ""  # how the paths of requests about volumes end

    def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """See `buildr.engines.volumes.Volumes.make_volume`."""
        # Libpod before 4.4 knows the labels by their older name, and no version makes one that exists.
        body = {"Name": name, "Labels": dict(labels), "Label": dict(labels)}
        try:
            self._client.request(
                "POST", "/volumes/create", content=json_content(body), ok=(200, 201)
            ).read()
        except EngineError:
            path = f"/volumes/{quote(name)}{self._volumes}"
            response = self._client.request("GET", path, ok=(200, 404))
            response.read()
            if response.status == 404:
                raise

    def volumes(self, labels: Mapping[str, str], *, sizes: bool = False) -> Sequence[Volume]:
        """See `buildr.engines.volumes.Volumes.volumes`."""
        query = {"filters": label_filter(labels)}
        rows = self._client.request("GET", f"/volumes{self._volumes}", query=query).json(
            read_volumes
        )
        known = self._volume_sizes() if sizes and rows else {}
        return [replace(row, size=known.get(row.name)) for row in rows]

    def _volume_sizes(self) -> dict[str, int]:
        """Return how many bytes volumes have, by their names, as far as that is known in reasonable time."""
        # Podman counts all images with them, which can take a minute, and fails while one is removed.
        return {}

    def remove_volume(self, name: str) -> None:
        """See `buildr.engines.volumes.Volumes.remove_volume`."""
        delete_volume(self._client, name)


def delete_volume(client: Client, name: str) -> None:
    """Remove a volume, unless it has gone."""
    client.request("DELETE", f"/volumes/{quote(name)}", ok=(204, 404)).read()


def read_volumes(found: Any) -> list[Volume]:
    """Read a list of volumes: a list on Podman, inside an object on Docker."""
    rows = found.get("Volumes") if isinstance(found, dict) else found
    return [Volume(name=row["Name"], labels=row.get("Labels") or {}) for row in rows or ()]
