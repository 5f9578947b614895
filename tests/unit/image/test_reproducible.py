"""Building twice: equal images are said, and of others the first paths and settings that differ."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

from buildr.image.reproducible import build_twice, differences
from buildr.testing import FakeBackend
from tests.unit.image.test_finish import Storing
from tests.unit.planning import one_script, planned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest


def tar(members: dict[str, tuple[bytes, int]]) -> bytes:
    """Return an archive of files with contents and times."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, (data, time) in members.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(data), time
            archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def saved(layers: list[bytes], config: dict[str, Any]) -> bytes:
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    digests = [f"sha256:{hash(layer)}" for layer in layers]
    manifest = [{"Config": "c.json", "RepoTags": None, "Layers": names}]
    config = {**config, "rootfs": {"diff_ids": digests}}
    files = dict(zip(names, layers, strict=True))
    files |= {"c.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
    return tar({name: (data, 0) for name, data in files.items()})


class Saving(FakeBackend):
    """A fake engine whose images are these archives, by their ids."""

    def __init__(self, **archives: bytes) -> None:
        super().__init__()
        self.archives = archives

    def save(self, image: str) -> Iterator[bytes]:
        return iter((self.archives.get(image) or saved([], {"id": image}),))


SETTINGS = {"config": {"Env": ["A=b"], "Labels": {"x": "1"}}}


def found(one: bytes, other: bytes) -> list[str]:
    return [*differences(Saving(one=one, other=other), "one", "other")]


def test_paths_are_named_with_what_differs() -> None:
    same = tar({"same": (b"", 0)})
    one = tar({"a": (b"1", 5), "b": (b"2", 5), "c": (b"3", 5), "gone": (b"", 5)})
    other = tar({"a": (b"1", 6), "b": (b"x", 5), "c": (b"3", 5), "new\n": (b"", 5)})
    assert found(saved([same, one], SETTINGS), saved([same, other], SETTINGS)) == [
        "layer 2: /a: time",
        "layer 2: /b: content",
        "layer 2: /gone: only in the first",
        "layer 2: '/new\\n': only in the second",
    ]


def test_settings_are_named() -> None:
    layer = tar({})
    other = {"config": {"Env": ["A=b"], "Labels": {"x": "2"}}, "created": "now"}
    assert found(saved([layer], SETTINGS), saved([layer], other)) == [
        "the setting config.Labels.x",
        "the setting created",
    ]


def test_an_order_and_a_number_of_layers_are_differences() -> None:
    one, other = tar({"a": (b"", 0), "b": (b"", 0)}), tar({"b": (b"", 0), "a": (b"", 0)})
    assert found(saved([one], {}), saved([other], {})) == ["layer 1: the order of its files"]
    assert found(saved([one], {}), saved([one, one], {})) == ["the number of layers: 1 and 2"]


def test_two_builds_that_are_one_image_have_no_differences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_script(tmp_path, monkeypatch)
    backend = Storing()
    built = build_twice(backend, planned(), lambda _line: None, "quiet")
    assert built.differences == ()
    assert backend.image(built.image) is not None
    assert backend.operations.count("save") == 2
    assert all(not build.cache for build in backend.builds)
    assert not any("first-of-two" in tag for image in backend.images({}) for tag in image.tags)
