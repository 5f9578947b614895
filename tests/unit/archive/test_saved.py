"""An image that an engine has saved is taken apart, whichever way it is laid out, and within bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from buildr.archive.fields import ArchiveError
from buildr.archive.saved import put_together, take_apart
from tests.unit.archive.layering import Put, content, members, tar

LAYERS = (b"one", b"two")


def saved(*extra: Put, **changed: Any) -> list[Put]:
    """Return an image in the layout that Docker has had since 25."""
    manifest = [{"Config": "blobs/c", "Layers": ["blobs/1", "blobs/2"]}]
    config = {"rootfs": {"diff_ids": ["sha256:1", "sha256:2"]}, **changed}
    return [
        *(Put(f"blobs/{number}", layer) for number, layer in enumerate(LAYERS, 1)),
        Put("blobs/c", json.dumps(config).encode()),
        Put("manifest.json", json.dumps(manifest).encode()),
        *extra,
    ]


def test_the_layers_of_an_image_come_in_their_order(tmp_path: Path) -> None:
    found = take_apart([tar(saved()[::-1])], str(tmp_path))
    assert found.digests == ("sha256:1", "sha256:2")
    assert tuple(Path(path).read_bytes() for path in found.layers) == LAYERS


@pytest.mark.parametrize(
    "link", [Put("blobs/2", link="1"), Put("blobs/2", link="blobs/1", hard=True)]
)
def test_a_layer_that_is_there_twice_may_be_a_link(tmp_path: Path, link: Put) -> None:
    one, _, *rest = saved()
    found = take_apart([tar([one, *rest, link])], str(tmp_path))
    assert found.layers[0] == found.layers[1]


@pytest.mark.parametrize(
    "broken",
    [
        [],
        [Put("manifest.json", b"{")],
        [Put("manifest.json", b"[]")],
        [Put("manifest.json", b'[{"Config": "nothing", "Layers": []}]')],
        saved()[1:],
        saved(rootfs={"diff_ids": ["sha256:1"]}),
        saved(rootfs=None),
        [*saved()[:2], Put("blobs/c", b"[1]"), *saved()[3:]],
        [*saved()[1:], Put("blobs/1", link="../../../etc/passwd")],
        [*saved()[1:], Put("blobs/1", link="/etc/passwd", hard=True)],
    ],
)
def test_anything_else_is_refused(tmp_path: Path, broken: list[Put]) -> None:
    with pytest.raises(ArchiveError):
        take_apart([tar(broken)], str(tmp_path))


def test_names_in_the_archive_name_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    take_apart([tar(saved(Put("../out"), Put("/tmp/out"), Put("a/../../out")))], str(folder))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("bound", ["SAVED_MEMBERS", "SAVED_IMAGE", "IMAGE_CONFIGURATION"])
def test_what_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(f"buildr.archive.saved.{bound}", 2)
    with pytest.raises(ArchiveError, match="too large"):
        take_apart([tar(saved())], str(tmp_path))


def test_what_is_put_together_can_be_taken_apart(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"three")
    data = json.dumps({"rootfs": {"diff_ids": ["1", "2", "3"]}}).encode()
    made = b"".join(put_together(data, "localhost/a:1", 2, [str(tmp_path / "new")]))
    assert json.loads(content(made, "manifest.json"))[0]["RepoTags"] == ["localhost/a:1"]
    assert members(made)["stored-1.tar"].size == 0
    found = take_apart([made], str(tmp_path))
    assert [Path(path).read_bytes() for path in found.layers] == [b"", b"", b"three"]
