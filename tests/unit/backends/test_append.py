"""The archive that appends a layer to an image, and the engine's answer."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any

import pytest
from msgspec.structs import replace

from buildr.engines.records import Event, Layer
from buildr.errors import EngineError
from buildr_backends.docker.images import stores_with_containerd
from buildr_backends.shared.append_layer import archive, docker_history, read_stored
from tests.unit.backends.server import Peer, Server, always, answer_json, answer_stream
from tests.unit.backends.test_podman_containers import podman

# Shortened from answers of the engines.
PODMAN: dict[str, Any] = {
    "Id": "c64c08157b41",
    "Architecture": "amd64",
    "Os": "linux",
    "Author": "",
    "Config": {"User": "1000:0", "Env": ["A=b"], "Cmd": ["python"], "Labels": {"x": "y"}},
    "HealthCheck": {"Test": ["CMD", "true"], "Interval": 5},
    "RootFS": {"Type": "layers", "Layers": ["sha256:one", "sha256:two"]},
    "History": [{"created_by": "base"}, {"created_by": "RUN", "comment": "FROM base"}],
}
DOCKER: dict[str, Any] = {
    "Architecture": "arm64",
    "Variant": "v8",
    "Os": "linux",
    "Config": {
        "Hostname": "",
        "Image": "sha256:below",
        "Env": ["A=b"],
        "Entrypoint": None,
        "OnBuild": ["RUN true"],
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": None,
    },
    "RootFS": {"Type": "layers", "Layers": ["sha256:one"]},
}


def layer(*chunks: bytes) -> Layer:
    return Layer(content=chunks, size=sum(map(len, chunks)), created_by="COPY all")


def unpacked(data: bytes) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    return found


def test_labels_of_the_layer_are_added_to_those_of_the_image_below() -> None:
    reported: list[str] = []
    for found, labels in ((PODMAN, {"x": "y", "a": "b"}), (DOCKER, {"a": "b"})):
        above = replace(layer(b"a"), labels={"a": "b"})
        files = unpacked(b"".join(archive(read_stored(found, []), above, reported.append)))
        assert json.loads(files[f"{reported[-1]}.json"])["config"]["Labels"] == labels


def test_the_archive_has_only_the_new_layer() -> None:
    reported: list[str] = []
    stream = archive(
        read_stored(PODMAN, PODMAN["History"]), layer(b"a" * 700, b"b" * 40), reported.append
    )
    files = unpacked(b"".join(stream))
    manifest = json.loads(files["manifest.json"])
    (image,) = reported
    config = files[f"{image}.json"]
    assert hashlib.sha256(config).hexdigest() == image
    assert manifest == [
        {
            "Config": f"{image}.json",
            "RepoTags": None,
            "Layers": ["stored-0.tar", "stored-1.tar", "layer.tar"],
        }
    ]
    assert files["layer.tar"] == b"a" * 700 + b"b" * 40
    assert files["stored-0.tar"] == files["stored-1.tar"] == b""


def test_the_configuration_of_the_image_below_is_kept() -> None:
    reported: list[str] = []
    files = unpacked(
        b"".join(archive(read_stored(PODMAN, PODMAN["History"]), layer(b"x"), reported.append))
    )
    config = json.loads(files[f"{reported[0]}.json"])
    digest = hashlib.sha256(b"x").hexdigest()
    assert config["config"] == {**PODMAN["Config"], "Healthcheck": PODMAN["HealthCheck"]}
    assert (config["architecture"], config["os"]) == ("amd64", "linux")
    assert config["rootfs"]["diff_ids"] == ["sha256:one", "sha256:two", f"sha256:{digest}"]
    *before, step = config["history"]
    assert before == PODMAN["History"]
    assert (step["created_by"], step["comment"], "empty_layer" in step) == (
        "COPY all",
        "buildr",
        False,
    )


def test_settings_of_a_container_are_not_copied() -> None:
    stored = read_stored(DOCKER, [])
    assert stored.config == {
        "Env": ["A=b"],
        "OnBuild": ["RUN true"],
        "Healthcheck": {"Test": ["NONE"]},
    }
    assert stored.platform == {"architecture": "arm64", "variant": "v8", "os": "linux"}


def test_the_image_id_is_reported_before_the_image_can_exist() -> None:
    reported: list[str] = []
    stream = archive(read_stored(DOCKER, []), layer(b"x"), reported.append)
    given = []
    for chunk in stream:
        given.append(chunk)
        if reported:
            break
    assert reported
    with pytest.raises(KeyError):
        unpacked(b"".join(given) + bytes(1024))["manifest.json"]


ROWS = [  # the newest first
    {"CreatedBy": '/bin/sh -c #(nop)  CMD ["python"]', "Size": 0, "Created": 1764000000},
    {"CreatedBy": "/bin/sh -c mkdir /empty", "Size": 0, "Created": 1764000000},
    {"CreatedBy": "/bin/sh -c #(nop)  ENV A=b", "Size": 0, "Created": 1764000000},
    {"CreatedBy": "/bin/sh -c #(nop) ADD file", "Size": 9, "Created": 0, "Comment": "first"},
]


def empty(history: list[dict[str, Any]]) -> list[bool]:
    return ["empty_layer" in row for row in history]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (1, [False, True, True, True]),
        (2, [False, True, False, True]),
        (3, [False, True, False, False]),
        (4, [False, False, False, False]),
    ],
)
def test_the_history_has_as_many_layers_as_the_image(layers: int, expected: list[bool]) -> None:
    history = docker_history(ROWS, layers)
    assert empty(history) == expected
    assert history[0]["created_by"].endswith("ADD file")
    assert history[0]["comment"] == "first"
    assert history[0]["created"] == "1970-01-01T00:00:00+00:00"


@pytest.mark.parametrize("layers", [0, 5])
def test_an_impossible_history_is_replaced(layers: int) -> None:
    assert docker_history(ROWS, layers) == [{"created_by": "unknown"}] * layers


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}, True),
        (
            {"DriverStatus": [["Backing Filesystem", "extfs"], ["Native Overlay Diff", "true"]]},
            False,
        ),
        ({"DriverStatus": None}, False),
        ({}, False),
    ],
)
def test_the_info_tells_whether_containerd_stores_images(
    found: dict[str, Any], *, expected: bool
) -> None:
    assert stores_with_containerd(found) is expected


def test_the_image_is_the_one_that_the_engine_reports_as_stored() -> None:
    reported: list[Event] = []

    def script(peer: Peer) -> None:
        peer.request()
        peer.say(answer_json(PODMAN))
        sent = unpacked(peer.request().body)
        [manifest] = json.loads(sent["manifest.json"])
        peer.say(answer_json({"Names": [f"sha256:{manifest['Config'].removesuffix('.json')}"]}))

    with Server(script) as server:
        image = podman(server).append("below", layer(b"x"), reported.append)
        look, load = server.requests
    assert [Event(kind="image", text=image.removeprefix("sha256:"))] == reported
    assert (look.path, load.path, load.method) == ("/images/below/json", "/images/load", "POST")


@pytest.mark.parametrize(
    "answer",
    [
        answer_stream(
            {"stream": "Loading"}, {"errorDetail": {"message": "no space"}, "error": "no space"}
        ),
        answer_json({"Names": ["sha256:" + "0" * 64, "no space"]}),
        answer_json({"message": "no space", "cause": ""}, 500),
    ],
    ids=["an error in the stream", "another image", "an error"],
)
def test_any_other_answer_is_a_failure_that_quotes_the_engine(answer: bytes) -> None:
    with (
        Server(always(answer_json(PODMAN), answer)) as server,
        pytest.raises(EngineError) as caught,
    ):
        podman(server).append("below", layer(b"x"), lambda _event: None)
    assert "no space" in caught.value.message
