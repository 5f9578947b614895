"""Stored images, as engines describe them: looked up, and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildr.engines.records import Image
from buildr_backends.http.request import quote
from buildr_backends.shared.engine import found

if TYPE_CHECKING:
    from buildr_backends.http.client import Client


def find_image(client: Client, reference: str) -> Image | None:
    """Look up a stored image."""
    response = client.request("GET", f"/images/{quote(reference)}/json", ok=(200, 404))
    return found(response, read_image)


def with_algorithm(image: str) -> str:
    """Return an image id in its long form; Podman omits the algorithm."""
    return image if image.startswith("sha256:") else f"sha256:{image}"


def read_images(rows: Any) -> list[Image]:
    """Read a list of images, newest first."""
    newest_first = sorted(rows or (), key=lambda row: row.get("Created") or 0, reverse=True)
    return [
        Image(
            id=with_algorithm(row["Id"]),
            tags=_tags(row),
            labels=row.get("Labels") or {},
            size=row.get("Size") or 0,
        )
        for row in newest_first
    ]


def read_image(found: Any) -> Image:
    """Read an image's inspection, the same fields on both engines."""
    config = found.get("Config") or {}
    return Image(
        id=with_algorithm(found["Id"]),
        tags=_tags(found),
        labels=config.get("Labels") or {},
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        environment=tuple(config.get("Env") or ()),
        user=config.get("User") or "",
        workdir=config.get("WorkingDir") or "",
        volumes=tuple(config.get("Volumes") or ()),
        layers=len((found.get("RootFS") or {}).get("Layers") or ()),
        triggers=tuple(config.get("OnBuild") or ()),
        size=found.get("Size") or 0,
        digests=tuple(found.get("RepoDigests") or ()),
        diff_ids=tuple((found.get("RootFS") or {}).get("Layers") or ()),
    )


def _tags(row: Any) -> tuple[str, ...]:
    # Docker lists an image without a name as "<none>:<none>".
    return tuple(tag for tag in row.get("RepoTags") or () if tag != "<none>:<none>")
