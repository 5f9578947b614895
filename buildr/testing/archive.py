"""The archives that a fake engine reads and writes."""

from __future__ import annotations

import io
import json
import posixpath
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildr.engines.records import Image


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return a tar archive of regular files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def unpack(tar: bytes, directory: str) -> dict[str, bytes]:
    """Return the regular files of a tar archive, by the path that they get below a directory."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return {
            posixpath.join(directory, member.name): content.read()
            for member in archive
            if (content := archive.extractfile(member))
        }


def below(files: Mapping[str, bytes], path: str) -> dict[str, bytes]:
    """Return a file, or all files of a directory, by the names that they have in its archive."""
    path = path.rstrip("/") or "/"
    top = posixpath.dirname(path)
    return {
        posixpath.relpath(name, top): data
        for name, data in files.items()
        if name == path or name.startswith(f"{path.rstrip('/')}/")
    }


def saved(image: Image) -> bytes:
    """Return an archive of the ``docker save`` kind, without layers."""
    name = f"{image.id.removeprefix('sha256:')}.json"
    config = {
        "Entrypoint": image.entrypoint,
        "Cmd": image.command,
        "Env": image.environment,
        "Labels": dict(image.labels),
        "User": image.user,
        "WorkingDir": image.workdir,
    }
    manifest = [{"Config": name, "RepoTags": image.tags, "Layers": []}]
    return pack(
        {
            name: json.dumps({"config": config}).encode(),
            "manifest.json": json.dumps(manifest).encode(),
        }
    )
