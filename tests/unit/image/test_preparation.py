"""What is below the source: layers that an engine takes alone, made of what a container shows of the steps."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from buildr.engines.records import Image
from buildr.errors import EngineError
from buildr.image.ensure import ensure_image
from buildr.labels import PROJECT, VERSION
from buildr.layout import ENTRYPOINT, GUEST_ROOT
from buildr.plan.source_date import FIXED
from tests.unit.image.test_generated import Appending, members
from tests.unit.planning import one_script, planned

if TYPE_CHECKING:
    from pathlib import Path

    from buildr.engines.layer import Layer
    from buildr.engines.records import OnEvent
    from buildr.testing import FakeContainer

BASE = "docker.io/library/python:3-alpine"
ABOVE = ["/usr", "/usr/local", "/usr/local/lib"]


@pytest.fixture(autouse=True)
def project_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return one_script(tmp_path, monkeypatch)


class Shown:
    """A guest that sends the paths that it is asked for, as the program inside does, folders all."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []

    def __call__(self, container: FakeContainer) -> int:
        order = json.loads(container.stdin.readline())
        self.orders.append(order)
        if order.get("list"):
            container.stdout.write(b"{}\n")
            return 0
        container.stdout.write(b'{"removed": []}\n')
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for path in order.get("alone", ()):
                member = tarfile.TarInfo(path.lstrip("/"))
                member.type, member.mode, member.gid = tarfile.DIRTYPE, 0o2775, 50
                archive.addfile(member)
        container.stdout.write(stream.getvalue())
        return 0


def ensure(backend: Appending, **options: Any) -> Image:
    image = backend.image(ensure_image(backend, planned(**options), lambda _line: None))
    assert image is not None
    return image


def test_only_what_comes_before_the_packages_is_built_and_all_is_a_layer_each() -> None:
    guest = Shown()
    backend = Appending(guest)
    image = ensure(backend)
    (built,) = backend.builds
    assert built.tags[0].startswith("localhost/buildr-ground:")
    ground, of_guest, source = (layer for _, layer, _ in backend.layers)
    assert [order["alone"] for order in guest.orders] == [
        ABOVE,
        ["/app", "/home/app", "/etc/passwd"],
    ]
    assert ground.like.startswith("sha256:")
    assert of_guest.created_by == f'COPY ["guest/", "{GUEST_ROOT}/"]'
    assert (of_guest.created, source.created) == (FIXED, FIXED)
    assert (image.user, image.entrypoint) == ("1000:0", ENTRYPOINT)
    assert image.command == ("python", "-u", "/app/app.py")
    assert {PROJECT, VERSION} <= image.labels.keys()
    assert "buildr.ground" not in image.labels


def test_the_folders_above_the_guest_part_are_as_in_the_base_image() -> None:
    backend = Appending(Shown())
    ensure(backend)
    found = members(backend.layers[1][2])
    for path in ABOVE:
        assert (found[path.lstrip("/")].mode, found[path.lstrip("/")].gid) == (0o2775, 50)
    assert found[GUEST_ROOT.lstrip("/")].mode == 0o755
    assert found[f"{GUEST_ROOT.lstrip('/')}/buildr/guest/init.py"].isreg()


def test_a_second_project_builds_nothing_and_asks_nothing(project_directory: Path) -> None:
    guest = Shown()
    backend = Appending(guest)
    ensure(backend)
    (project_directory / "other.py").write_text("print('other')\n")
    ensure_image(backend, planned("other.py", name="other"), lambda _line: None)
    assert (len(backend.builds), len(guest.orders)) == (1, 2)


def test_two_engines_are_given_the_same_layers() -> None:
    one, other = Appending(Shown()), Appending(Shown())
    ensure(one)
    ensure(other)
    assert [data for _, _, data in one.layers] == [data for _, _, data in other.layers]


def test_a_base_with_steps_for_builds_is_compared() -> None:
    guest = Shown()
    backend = Appending(guest)
    base = Image(id=f"sha256:{1:064x}", command=("python3",), triggers=("RUN touch /x",))
    backend.add_image(BASE, base)
    ensure(backend)
    assert [[*order] for order in guest.orders] == [
        ["alone", "whole", "links"],
        ["list"],
        ["before", "kept"],
    ]


def test_where_the_engine_takes_no_such_settings_it_builds_the_guest_part() -> None:
    class Refusing(Appending):
        def append(self, image: str, layer: Layer, on_event: OnEvent) -> str:
            if layer.settings:
                raise EngineError("no", status=500, message="not like this")
            return super().append(image, layer, on_event)

    guest = Shown()
    backend = Refusing(guest)
    ensure(backend)
    _, built = backend.builds
    assert "guest/buildr/guest/init.py" in built.files
    assert guest.orders[-1]["whole"] == [GUEST_ROOT]
    assert backend.layers[-1][1].created_by.startswith("COPY --chown=1000:0")


def test_an_image_that_no_container_can_be_made_of_stays_as_it_was_built() -> None:
    backend = Appending()  # whose guests answer nothing
    ensure(backend)
    (built,) = backend.builds
    ((below, _, _),) = backend.layers
    stored = backend.image(built.tags[0])
    assert stored is not None
    assert below == stored.id
