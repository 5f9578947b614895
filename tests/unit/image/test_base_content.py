"""What a base image has where the source goes: asked once, and never taken for granted."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from buildr.engines.records import Image
from buildr.errors import EngineError
from buildr.image.base_content import place_in
from buildr.testing import FakeBackend

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BASE = Image(id=f"sha256:{1:064x}", tags=("registry.example.org/base:1",))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def app(*members: tuple[str, bytes], size: int = 0) -> bytes:
    """Return the archive of ``/app`` with these members, names and kinds; files have a size."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind in members:
            member = tarfile.TarInfo(name)
            member.type, member.mtime = kind, 1764000000.5  # in an extended header
            member.size = size if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return data.getvalue()


class Holding(FakeBackend):
    """An engine whose images have this in ``/app``."""

    def __init__(self, archive: bytes) -> None:
        super().__init__()
        self.add_image(BASE.tags[0], BASE)
        self._archive = archive

    def get_archive(self, container: str, path: str) -> Iterator[bytes]:
        self._called("get_archive")
        assert path == "/app"
        assert any(run.id == container for run in self.runs)
        for at in range(0, len(self._archive), 1 << 16):
            yield self._archive[at : at + (1 << 16)]


FOLDER, FILE, LINK = tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE


@pytest.mark.parametrize(
    ("archive", "expected"),
    [
        (app(("app/", FOLDER)), "free"),
        (app(("app/", FOLDER), ("app/x", FILE)), "filled"),
        (app(("app/", FOLDER), ("app/x/", FOLDER)), "filled"),
        (app(("app/", FOLDER), ("app/x", LINK)), "filled"),
        (app(("app/", FOLDER), ("app/x", FILE), size=8 << 20), "filled"),
        (app(("app", LINK)), "other"),
        (app(("app", FILE)), "other"),
        (b"", "other"),
    ],
)
def test_only_an_empty_folder_has_no_content(archive: bytes, expected: str) -> None:
    backend = Holding(archive)
    assert place_in(backend, BASE) == expected
    assert backend.containers({}) == []


def test_a_missing_folder_has_no_content() -> None:
    backend = FakeBackend()
    backend.add_image(BASE.tags[0], BASE)
    assert place_in(backend, BASE) == "free"
    assert backend.containers({}) == []


@pytest.mark.parametrize(
    "archive", [app(("app/", FOLDER)), app(("app/", FOLDER), ("app/x", FILE)), app(("app", LINK))]
)
def test_the_engine_is_asked_once(archive: bytes) -> None:
    backend = Holding(archive)
    first = place_in(backend, BASE)
    backend.operations.clear()
    assert place_in(backend, BASE) == first
    assert backend.operations == []


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ("/app", "other"),
        ("/app/", "other"),
        ("/app/data", "other"),
        ("/", "other"),
        ("/application", "free"),
        ("/var/app", "free"),
    ],
)
def test_a_volume_at_the_place_of_the_source_is_not_a_folder(volume: str, expected: str) -> None:
    backend = Holding(app(("app/", FOLDER)))
    assert place_in(backend, replace(BASE, volumes=("/data", volume))) == expected


def test_official_images_are_known_to_be_empty() -> None:
    backend = FakeBackend()
    image = Image(id="sha256:2", tags=("docker.io/library/python:3-alpine",))
    assert place_in(backend, image) == "free"
    assert backend.operations == []


def test_a_failed_lookup_is_repeated() -> None:
    backend = Holding(app(("app/", FOLDER)))
    backend.fail("get_archive", EngineError("no", status=500, message="no"))
    assert place_in(backend, BASE) == "other"
    assert place_in(backend, BASE) == "free"
