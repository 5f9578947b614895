"""Volumes, which outlive their containers: creation, lists, removal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildr.engines.container_spec import MountSpec
from buildr.errors import EngineError
from tests.conformance.judged import LABEL

if TYPE_CHECKING:
    from buildr.engines.protocol import Backend
    from tests.conformance.judged import Containers


def test_a_volume_keeps_its_files_until_it_is_removed(
    backend: Backend, containers: Containers, unique: str
) -> None:
    backend.make_volume(unique, {LABEL: "1", "unique": unique})
    backend.make_volume(unique, {})  # it exists and stays as it is
    spec = containers.spec(mounts=(MountSpec(kind="volume", source=unique, target="/kept"),))
    written = containers.create("sh", "-c", "echo kept >/kept/file", spec=spec)
    backend.start(written)
    assert backend.wait(written) == 0
    with pytest.raises(EngineError):
        backend.remove_volume(unique)  # it is in use
    backend.remove(written)
    assert containers.run("cat", "/kept/file", spec=spec).output == b"kept\n"
    (found,) = backend.volumes({"unique": unique, LABEL: ""})
    assert (found.name, found.labels["unique"]) == (unique, unique)
    containers.remove()
    backend.remove_volume(unique)
    backend.remove_volume(unique)  # removing an absent one is not an error
    assert backend.volumes({"unique": unique}) == []


def test_a_new_volume_belongs_to_an_unprivileged_guest(
    backend: Backend, containers: Containers, unique: str
) -> None:
    spec = containers.spec(
        user="1000:0", mounts=(MountSpec(kind="volume", source=unique, target="/kept"),)
    )
    assert containers.run("touch", "/kept/file", spec=spec).status == 0
    containers.remove()
    backend.remove_volume(unique)
