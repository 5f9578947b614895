"""Images: lookup, names, lists, archives, removal."""

from __future__ import annotations

import http.client
import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from buildr.engines.records import Layer, PushRequest
from buildr.errors import EngineError, ImageNotFoundError, PushError
from tests.conformance.judged import LABEL, archive, build

if TYPE_CHECKING:
    from buildr.engines.protocol import Backend
    from tests.conformance.judged import Containers

NOWHERE = "127.0.0.1:1"  # no registry listens on this port


def ignore(_: object) -> None:
    """Ignore an event."""


def test_the_engine_identifies_itself(backend: Backend) -> None:
    backend.ping()
    info = backend.info
    assert info.backend
    assert info.version
    assert info.endpoint
    assert info.found
    backend.details()


def test_a_stored_image_is_found_by_name_and_by_id(backend: Backend, base: str) -> None:
    found = backend.image(base)
    assert found is not None
    assert found.id.startswith("sha256:")
    assert len(found.id) == len("sha256:") + 64
    assert base in found.tags
    by_id = backend.image(found.id)
    assert by_id is not None
    assert by_id.id == found.id


def test_an_image_that_is_not_stored_is_none(backend: Backend) -> None:
    assert backend.image("localhost/buildr/no-such-image:latest") is None
    assert backend.image("sha256:" + "0" * 64) is None


def test_one_image_has_several_names_until_it_is_removed(
    backend: Backend, base: str, unique: str
) -> None:
    names = [f"localhost/buildr/{unique}:{tag}" for tag in ("one", "two")]
    made = build(backend, f"FROM {base}\nENV UNIQUE={unique}\n", tags=(names[0],))
    backend.tag(made, names[1])
    found = backend.image(made)
    assert found is not None
    assert set(names) <= set(found.tags)
    assert f"UNIQUE={unique}" in found.environment
    backend.remove_image(made)
    assert [backend.image(name) for name in (*names, made)] == [None, None, None]
    backend.remove_image(made)  # removing an absent one is not an error


def test_an_image_that_a_container_uses_stays(
    backend: Backend, containers: Containers, base: str, unique: str
) -> None:
    containers.image = build(backend, f"FROM {base}\nENV UNIQUE={unique}\n")
    containers.create("true")
    with pytest.raises(EngineError):
        backend.remove_image(containers.image)
    assert backend.image(containers.image) is not None


def test_images_are_listed_by_all_their_labels_the_newest_first(
    backend: Backend, base: str, unique: str
) -> None:
    made = [
        build(
            backend,
            f"FROM {base}\nENV NUMBER={number}\n",
            image_labels={"unique": unique, "number": number},
        )
        for number in ("1", "2")
    ]
    assert [
        found.id for found in backend.images({"unique": unique, LABEL: "1", "number": "2"})
    ] == made[1:]
    # Engines report the time of an image in seconds.
    assert {found.id for found in backend.images({"unique": unique})} == set(made)
    assert backend.images({"unique": unique, "number": "3"}) == []


def test_an_image_moves_by_an_archive(backend: Backend, base: str, unique: str) -> None:
    name = f"localhost/buildr/{unique}:latest"
    made = build(backend, f"FROM {base}\nRUN echo {unique} >/note\n", tags=(name,))
    data = b"".join(backend.save(name))
    with tarfile.open(fileobj=io.BytesIO(data)) as saved:
        file = saved.extractfile("manifest.json")
        assert file is not None
        (listed,) = json.load(file)
        assert {*listed["Layers"], listed["Config"]} <= set(saved.getnames())
    backend.remove_image(made)
    loaded = backend.load([data], name)
    assert name in loaded.tags
    found = backend.image(name)
    assert found is not None
    assert found.id == loaded.id
    backend.remove_image(loaded.id)


def test_invalid_archives_are_refused(backend: Backend) -> None:
    with pytest.raises(EngineError):
        backend.load([b"no archive"], "localhost/buildr/nothing:latest")


def test_a_layer_is_appended_without_a_build(
    backend: Backend, containers: Containers, image: str
) -> None:
    if not backend.appends():
        pytest.skip("the backend declares that it cannot append a layer")
    content = archive({"added/file": b"a new layer"})
    layer = Layer(
        content=[content], size=len(content), created_by="a test", labels={"more": "1", LABEL: "1"}
    )
    made = backend.append(image, layer, ignore)
    below, above = backend.image(image), backend.image(made)
    assert below is not None
    assert above is not None
    assert above.labels == {**below.labels, "more": "1"}
    assert (above.workdir, above.environment) == (below.workdir, below.environment)
    containers.image = made
    assert containers.run("cat", "/added/file").output == b"a new layer"


def test_an_image_that_no_registry_has_cannot_be_pulled(backend: Backend) -> None:
    with pytest.raises(ImageNotFoundError):
        backend.pull(f"{NOWHERE}/nothing:latest", ignore)


def test_a_push_that_fails_is_an_error(backend: Backend, image: str) -> None:
    with pytest.raises(PushError):
        backend.push(PushRequest(image=image, reference=f"{NOWHERE}/nothing:latest"), ignore)


def test_a_push_reports_the_digest_of_the_registry_and_the_image_comes_back(
    backend: Backend, base: str, unique: str, registry_address: str
) -> None:
    reference = f"{registry_address}/{unique}:one"
    made = build(backend, f"FROM {base}\nENV UNIQUE={unique}\n")
    digest = backend.push(PushRequest(image=made, reference=reference), ignore)
    assert digest == stored_digest(registry_address, unique, "one")
    backend.remove_image(made)
    assert backend.image(reference) is None
    pulled = backend.pull(reference, ignore)
    assert f"UNIQUE={unique}" in pulled.environment
    backend.remove_image(pulled.id)


def stored_digest(address: str, repository: str, tag: str) -> str:
    """Return the digest that a registry has for a tag."""
    kinds = (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
    connection = http.client.HTTPConnection(address)
    connection.request(
        "HEAD", f"/v2/{repository}/manifests/{tag}", headers={"Accept": ", ".join(kinds)}
    )
    response = connection.getresponse()
    assert response.status == 200
    found = response.headers["Docker-Content-Digest"]
    connection.close()
    return found
