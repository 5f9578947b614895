"""Layers for tests: written by tarfile, as an engine writes them."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.archive.layers import Layer, Tree, above, read_layer
from buildr.archive.normal import Times, changes, write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FOLDER, LATEST = 100, 1000
"""Times that what is written again gets, in seconds since the epoch."""
BUILD_TIME = 2000
"""When steps of a build have run."""


class Put(Struct, frozen=True):
    """A member of a layer; a folder's name ends with ``/``."""

    name: str
    data: bytes = b""
    mode: int = 0o644
    uid: int = 0
    time: float = BUILD_TIME
    link: str = ""
    hard: bool = False
    records: dict[str, str] = {}


def tar(members: Iterable[Put | str]) -> bytes:
    """Return a layer."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for given in members:
            put = Put(given) if isinstance(given, str) else given
            info = tarfile.TarInfo(put.name.rstrip("/") or ".")
            info.mode, info.uid, info.mtime = put.mode, put.uid, put.time
            info.pax_headers = dict(put.records)
            info.uname, info.size = "somebody", len(put.data)
            if put.link:
                info.type = tarfile.LNKTYPE if put.hard else tarfile.SYMTYPE
                info.linkname = put.link
            elif put.name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755 if put.mode == 0o644 else put.mode
            archive.addfile(info, io.BytesIO(put.data))
    return buffer.getvalue()


class Stack:
    """Layers, one on the other.

    Attributes:
        tree: the paths with all of them.
    """

    def __init__(self, folder: Path) -> None:
        self.tree: Tree = {}
        self._folder = folder
        self._count = 0

    def read(self, *members: Put | str) -> Layer:
        """Read a layer."""
        self._count += 1
        path = self._folder / f"layer-{self._count}"
        path.write_bytes(tar(members))
        return read_layer(str(path))

    def base(self, *members: Put | str) -> None:
        """Put a layer on top as it is."""
        self.tree = above(self.tree, self.read(*members))

    def again(self, *members: Put | str, latest: int = LATEST) -> bytes:
        """Put a layer on top that is written again; return what is written."""
        layer = self.read(*members)
        below, self.tree = self.tree, above(self.tree, layer)
        output = io.BytesIO()
        content = changes(below, layer, self.tree)
        write(output, content, self.tree, Times(latest=latest, folder=FOLDER))
        return output.getvalue() if content else b""


def members(layer: bytes) -> dict[str, tarfile.TarInfo]:
    """Return what is in a layer, in its order."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return {member.name: member for member in archive}


def content(layer: bytes, name: str) -> bytes:
    """Return what a file in a layer has in it."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        file = archive.extractfile(name)
        assert file is not None
        return file.read()
