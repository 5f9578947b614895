"""Unpacks and creates image archives in the format of ``docker save``.

https://github.com/moby/docker-image-spec/blob/main/spec.md. Newer archives are OCI image layouts as well, but
``manifest.json`` still lists all files.
"""

from __future__ import annotations

import json
import os
import posixpath
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from buildr.archive.header import BLOCK, FILE, HARDLINK, SYMLINK, header, padding
from buildr.archive.reader import ArchiveError, TarReader
from buildr.host.limits import IMAGE_CONFIGURATION, SAVED_IMAGE, SAVED_MEMBERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["CONFIGURATION_KEYS", "Saved", "put_together", "take_apart"]

CONFIGURATION_KEYS: Final = (
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Healthcheck",
    "ArgsEscaped",
    "Volumes",
    "WorkingDir",
    "OnBuild",
    "Labels",
    "StopSignal",
    "Shell",
)
"""The settings of an image; an engine has more among them, such as the name of a container."""
_CHUNK: Final = 1 << 20


class Saved(Struct, frozen=True, kw_only=True):
    """An unpacked image."""

    configuration: dict[str, Any]
    """The engine's description: ``config``, ``history``, ``rootfs`` and more."""
    digests: tuple[str, ...]
    """The digests of the uncompressed layers, the lowest first."""
    layers: tuple[str, ...]
    """The files that contain them, uncompressed, in the same order."""


def take_apart(chunks: Iterable[bytes], folder: str) -> Saved:
    """Write the layers of an image to files.

    Args:
        chunks: the archive.
        folder: for the files.

    Raises:
        OSError: a file cannot be written.
        ArchiveError: it is not such an archive, or too large.
    """
    files = _unpack(chunks, folder)
    try:
        (manifest,) = _json(files["manifest.json"])
        configuration = _json(files[posixpath.normpath(manifest["Config"])])
        digests = tuple(map(str, configuration["rootfs"]["diff_ids"]))
        layers = tuple(files[posixpath.normpath(name)] for name in manifest["Layers"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveError(f"what describes the image is malformed: {error}") from None
    if len(digests) != len(layers):
        raise ArchiveError("what describes the image names other layers than there are")
    return Saved(configuration=configuration, digests=digests, layers=layers)


def _unpack(chunks: Iterable[bytes], folder: str) -> dict[str, str]:
    """Write the files of an archive to a folder under new names; return these by the names in the archive."""
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    total = 0
    archive = TarReader(chunks)
    for number, member in enumerate(archive):
        total += member.size
        if number > SAVED_MEMBERS or total > SAVED_IMAGE:
            raise ArchiveError("it is too large")
        name = posixpath.normpath(member.path)
        if member.kind in (SYMLINK, HARDLINK):
            above = posixpath.dirname(name) if member.kind == SYMLINK else ""
            links[name] = posixpath.normpath(posixpath.join(above, member.link))
        elif member.is_file:
            files[name] = f"{folder}/{number}"
            with open(files[name], "wb") as file:
                file.writelines(archive.content())
    # Duplicate layers, and legacy names of layers.
    return {**{name: files[link] for name, link in links.items() if link in files}, **files}


def put_together(
    configuration: bytes, reference: str, stored: int, layers: Sequence[str]
) -> Iterator[bytes]:
    """Yield the archive of an image whose lower layers the engine already stores.

    Engines look up layers by digest before they read them, so an empty file replaces each of these.

    Args:
        configuration: of the image.
        reference: its name.
        stored: the number of layers that the engine already stores.
        layers: the files with the other layers.

    Raises:
        OSError: a file cannot be read.
    """
    names = [f"stored-{index}.tar" for index in range(stored)]
    for name in names:
        yield header(name.encode(), FILE, mode=0o644)
    for index, path in enumerate(layers):
        names.append(f"layer-{index}.tar")
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            yield header(names[-1].encode(), FILE, mode=0o644, size=size)
            yield from iter(lambda: file.read(_CHUNK), b"")
            yield padding(size)
    manifest = [{"Config": "image.json", "RepoTags": [reference], "Layers": names}]
    for name, data in (
        ("image.json", configuration),
        ("manifest.json", json.dumps(manifest).encode()),
    ):
        yield header(name.encode(), FILE, mode=0o644, size=len(data)) + data + padding(len(data))
    yield bytes(2 * BLOCK)


def _json(path: str) -> Any:
    with open(path, "rb") as file:
        data = file.read(IMAGE_CONFIGURATION + 1)
    if len(data) > IMAGE_CONFIGURATION:
        raise ArchiveError("what describes the image is too large")
    return json.loads(data)
