"""Images as archives in the format of ``docker save``: taken apart into files, and put together for ``load``.

https://github.com/moby/docker-image-spec/blob/main/spec.md. Archives of today are OCI image layouts as well, but the file
``manifest.json`` still says where everything is.
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
    """An image that was taken apart."""

    configuration: dict[str, Any]
    """As the engine has it: ``config``, ``history``, ``rootfs`` and more."""
    digests: tuple[str, ...]
    """Of the layers' contents, the lowest first."""
    layers: tuple[str, ...]
    """The files with them, not compressed, in the same order."""


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
    """Write all files of an archive to a folder, under names of our own; return these by those in the archive."""
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
    # A layer that is there twice, or has an older name as well.
    return {**{name: files[link] for name, link in links.items() if link in files}, **files}


def put_together(
    configuration: bytes, reference: str, stored: int, layers: Sequence[str]
) -> Iterator[bytes]:
    """Give the archive of an image of which an engine has the lower layers already.

    It looks up each by its digest before it reads it, so an empty file takes the place of each.

    Args:
        configuration: of the image.
        reference: the name that it gets.
        stored: how many layers the engine has.
        layers: the files with those above.

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
