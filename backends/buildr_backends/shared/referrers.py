"""Artifacts beside a pushed image: OCI referrers, which tools find from the image's digest.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests-with-subject. A registry that does not know
of them keeps a list under a tag made of the digest, as the specification has it for such ("Referrers Tag Schema").
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import TYPE_CHECKING, Any

from buildr.errors import PushError
from buildr_backends.shared.registry_client import Registry
from buildr_backends.shared.transfer import push_error

if TYPE_CHECKING:
    from buildr.engines.artifact import Artifact

__all__ = ["add_referrer", "digest_in_registry"]

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_IMAGES = (
    _MANIFEST,
    _INDEX,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_EMPTY = "application/vnd.oci.empty.v1+json"
_NOTHING = b"{}"


def add_referrer(reference: str, digest: str, artifact: Artifact, *, podman: bool) -> str:
    """Store an artifact beside a pushed image; return the digest of its manifest.

    Args:
        reference: the image's full reference.
        digest: under which the registry has it.
        artifact: what to store.
        podman: whose logins come first.

    Raises:
        PushError: the registry cannot be reached, refuses, or has no such image.
    """
    registry = Registry(reference, podman=podman)
    found = registry.request("GET", f"manifests/{digest}", headers={"Accept": ", ".join(_IMAGES)})
    if found.status == 404 or digest_of(found.data) != digest:
        raise push_error(reference, f"the registry does not have {digest}")
    subject = {
        "mediaType": found.headers.get("content-type", "").partition(";")[0].strip(),
        "digest": digest,
        "size": len(found.data),
    }
    for data in (_NOTHING, artifact.data):
        registry.upload(digest_of(data), data)
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "artifactType": artifact.kind,
        "config": _descriptor(_EMPTY, _NOTHING),
        "layers": [
            {
                **_descriptor(artifact.kind, artifact.data),
                "annotations": {"org.opencontainers.image.title": artifact.name},
            }
        ],
        "subject": subject,
    }
    data = json.dumps(manifest).encode()
    put = registry.request(
        "PUT", f"manifests/{digest_of(data)}", data=data, headers={"Content-Type": _MANIFEST}
    )
    if "oci-subject" not in put.headers:
        _add_to_list(
            registry, digest, {**_descriptor(_MANIFEST, data), "artifactType": artifact.kind}
        )
    return digest_of(data)


def digest_in_registry(reference: str, image: str, *, podman: bool) -> str:
    """Return the digest under which a registry has an image; empty where it has another one under that name, or cannot be asked.

    Args:
        reference: the image's full reference.
        image: its id.
        podman: whose logins come first.
    """
    name = reference.rpartition("/")[2]
    tag = name.partition(":")[2] or "latest"
    with contextlib.suppress(PushError, ValueError, KeyError, TypeError):
        registry = Registry(reference, podman=podman)
        found = registry.request("GET", f"manifests/{tag}", headers={"Accept": ", ".join(_IMAGES)})
        if found.status == 200 and json.loads(found.data)["config"]["digest"] == image:
            return digest_of(found.data)
    return ""


def _add_to_list(registry: Registry, digest: str, descriptor: dict[str, Any]) -> None:
    """Add an artifact to the list that stands under the tag of an image's digest."""
    tag = digest.replace(":", "-")
    found = registry.request("GET", f"manifests/{tag}", headers={"Accept": _INDEX})
    rows: list[Any] = []
    if found.status == 200:
        try:
            rows = list(json.loads(found.data)["manifests"])
        except (ValueError, KeyError, TypeError):
            raise push_error(registry.reference, f"{tag} is not a list of referrers") from None
    if any(row.get("digest") == descriptor["digest"] for row in rows):
        return
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [*rows, descriptor]}
    registry.request(
        "PUT",
        f"manifests/{tag}",
        data=json.dumps(index).encode(),
        headers={"Content-Type": _INDEX},
    )


def _descriptor(kind: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": digest_of(data), "size": len(data)}


def digest_of(data: bytes) -> str:
    """Return the digest of bytes, as registries write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
