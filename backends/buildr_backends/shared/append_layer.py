"""Appends a layer to an image without a build: with an archive for ``load`` that contains only the new layer.

Both engines look up a layer by the digest of its content before they read it from the archive, so layers that are stored
already need not be in it: an empty file takes the place of each. The layer is unpacked once, into the store. A build writes
the same files three times: as the context, in the step's file system, and as the layer.

The format is that of ``docker save``, with a configuration as in the Docker image specification 1.2:
https://github.com/moby/docker-image-spec/blob/main/spec.md
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from buildr.archive.header import BLOCK, FILE, header, padding
from buildr.archive.saved import CONFIGURATION_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from buildr.engines.records import Layer

_LAYER = b"layer.tar"
_NO_LAYER = "#(nop)"  # how a step that only sets something begins in Docker's history


class Stored(Struct, frozen=True, kw_only=True):
    """The parts that are taken over from the image below."""

    platform: dict[str, str]
    """``architecture``, ``os`` and the like."""
    config: dict[str, Any]
    layers: list[str]
    """Digests of their contents, the lowest first."""
    history: list[dict[str, Any]]
    """The oldest first; those without ``empty_layer`` have a layer each."""


def read_stored(found: Any, history: list[dict[str, Any]]) -> Stored:
    """Read an image's inspection, the same fields on both engines."""
    config = {
        key: value for key in CONFIGURATION_KEYS if (value := (found.get("Config") or {}).get(key))
    }
    if health := found.get("HealthCheck"):  # where Podman has it
        config["Healthcheck"] = health
    names = {"Architecture": "architecture", "Os": "os", "Variant": "variant", "Author": "author"}
    return Stored(
        platform={ours: found[theirs] for theirs, ours in names.items() if found.get(theirs)},
        config=config,
        layers=list(found["RootFS"]["Layers"]),
        history=history,
    )


def docker_history(rows: Iterable[Any], layers: int) -> list[dict[str, Any]]:
    """Read Docker's history of an image, which does not say which steps have made a layer.

    A step with a size has one. Of those without (``RUN mkdir``), the newest are taken that can have one, until there are
    enough. The history is only informative, but engines refuse to show one that has more layers than the image.

    Args:
        rows: as the API returns them, newest first.
        layers: how many the image has.
    """
    rows = list(rows)
    with_layer = {index for index, row in enumerate(rows) if row.get("Size")}
    doubtful = [index for index in range(len(rows)) if index not in with_layer]
    doubtful.sort(key=lambda index: _NO_LAYER in (rows[index].get("CreatedBy") or ""))
    with_layer.update(doubtful[: max(0, layers - len(with_layer))])
    if len(with_layer) != layers:
        return [{"created_by": "unknown"} for _ in range(layers)]
    return [
        {
            "created": datetime.fromtimestamp(row.get("Created") or 0, UTC).isoformat(),
            "created_by": row.get("CreatedBy") or "",
            **({"comment": row["Comment"]} if row.get("Comment") else {}),
            **({} if index in with_layer else {"empty_layer": True}),
        }
        for index, row in reversed(list(enumerate(rows)))
    ]


def archive(base: Stored, layer: Layer, on_image: Callable[[str], None]) -> Iterator[bytes]:
    """Yield the archive of the new image.

    Args:
        base: the image below.
        layer: what comes on top of it.
        on_image: called with the new image's id before the last bytes are sent, so before the image can exist.
    """
    digest = hashlib.sha256()
    sent = 0
    yield header(_LAYER, FILE, mode=0o644, size=layer.size)
    for chunk in layer.content:
        digest.update(chunk)
        sent += len(chunk)
        yield chunk
    assert sent == layer.size  # noqa: S101 - the layer's maker counted it
    yield padding(sent)
    names = [f"stored-{index}.tar" for index in range(len(base.layers))]
    config = _config(base, f"sha256:{digest.hexdigest()}", layer)
    image = hashlib.sha256(config).hexdigest()
    on_image(image)
    manifest = [
        {"Config": f"{image}.json", "RepoTags": None, "Layers": [*names, _LAYER.decode()]},
    ]
    members = [(name, b"") for name in names]
    members += [(f"{image}.json", config), ("manifest.json", json.dumps(manifest).encode())]
    for name, data in members:
        yield header(name.encode(), FILE, mode=0o644, size=len(data)) + data + padding(len(data))
    yield bytes(2 * BLOCK)


def _config(base: Stored, digest: str, layer: Layer) -> bytes:
    now = datetime.now(UTC).isoformat()
    step = {"created": now, "created_by": layer.created_by, "comment": "buildr"}
    labels = {**(base.config.get("Labels") or {}), **layer.labels}
    config: dict[str, Any] = {
        **base.platform,
        "created": now,
        "config": {**base.config, **({"Labels": labels} if labels else {})},
        "rootfs": {"type": "layers", "diff_ids": [*base.layers, digest]},
        "history": [*base.history, step],
    }
    return json.dumps(config).encode()
