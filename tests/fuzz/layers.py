"""What must hold of an image's layers, whatever an engine hands over: see `tests.fuzz.targets`."""

from __future__ import annotations

import io
import os
import tempfile

from buildr.archive.fields import ArchiveError
from buildr.archive.layers import Layer, Tree, above, read_layer
from buildr.archive.normal import Times, changes, left_behind, write
from buildr.archive.saved import take_apart
from tests.unit.archive.layering import Put, tar

_BELOW = ["a/", "a/b", "a/c/", "a/c/d", "e", "f/"]


def layers(data: bytes) -> None:
    """Rewrite a layer: only our own error, and the result has the same effect on an image."""
    does_the_same(tar(_BELOW), data)


def does_the_same(base: bytes, data: bytes) -> None:
    """Rewrite a layer on a base, with the same effect."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            below = above({}, _read(folder, "below", base))
            layer = _read(folder, "layer", data)
        except ArchiveError:
            return
        assert left_behind(layer) <= layer.nodes.keys()
        try:
            written = _written(below, layer)
        except ArchiveError:
            return
        again = _read(folder, "again", written)
        assert _kinds(above(below, again)) == _kinds(above(below, layer))
        assert _written(below, again) == written


def images(data: bytes) -> None:
    """Take a saved image apart: nothing but our own error, and files of ours alone."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = take_apart([data], folder)
        except ArchiveError:
            return
        assert {os.path.dirname(path) for path in found.layers} <= {folder}


def _read(folder: str, name: str, data: bytes) -> Layer:
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return read_layer(path)


def _written(below: Tree, layer: Layer) -> bytes:
    output = io.BytesIO()
    now = above(below, layer)
    write(output, changes(below, layer, now), now, Times(latest=1, folder=0))
    return output.getvalue()


def _kinds(tree: Tree) -> dict[str, tuple[bytes, int, int]]:
    return {path: (node.kind, node.mode, node.size) for path, node in tree.items()}


SEEDS = {
    "layers": [
        tar(["a/", "a/.wh.b", "new/", Put("new/x", b"1")]),
        tar(["a/", "a/.wh..wh..opq", ".wh.e", Put("z", b"1"), Put("y", link="z", hard=True)]),
        tar([Put("a", b"1"), "e/", "e/f"]),
    ],
    "images": [
        tar(
            [
                Put("1", b"layer"),
                Put("c", b'{"rootfs": {"diff_ids": ["x"]}}'),
                Put("manifest.json", b'[{"Config": "c", "Layers": ["1"]}]'),
            ]
        )
    ],
}
