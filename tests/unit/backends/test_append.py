"""The archive that adds a layer to an image of an engine: its content, and how the engine's answer is read."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any

import pytest
from msgspec.structs import replace

from buildr.engines.layer import Layer, Settings
from buildr.engines.records import Event
from buildr.errors import EngineError
from buildr_backends.docker.images import stores_with_containerd
from buildr_backends.shared.append_layer import archive, docker_history, read_stored
from tests.unit.backends.server import Peer, Server, always, answer_json, answer_stream
from tests.unit.backends.test_podman_containers import podman

# Cut down from what the engines answer.
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


def test_labels_of_the_layer_come_to_those_of_the_image_below() -> None:
    reported: list[str] = []
    for found, labels in ((PODMAN, {"x": "y", "a": "b"}), (DOCKER, {"a": "b"})):
        above = replace(layer(b"a"), labels={"a": "b"})
        files = unpacked(b"".join(archive(read_stored(found, []), above, reported.append)))
        assert json.loads(files[f"{reported[-1]}.json"])["config"]["Labels"] == labels


def test_the_archive_holds_the_layer_and_nothing_of_those_below() -> None:
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


def test_all_that_the_image_below_is_set_to_stays() -> None:
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


def test_settings_take_the_place_of_those_below_and_are_steps_of_the_history() -> None:
    reported: list[str] = []
    new = Settings(user="7:0", entrypoint=("init",), command=("run",), steps=("USER 7:0", "CMD x"))
    above = replace(layer(b"x"), settings=new, created=1_000_000_000)
    stored = read_stored(PODMAN, PODMAN["History"])
    config = json.loads(
        unpacked(b"".join(archive(stored, above, reported.append)))[f"{reported[0]}.json"]
    )
    settings = config["config"]
    assert (settings["User"], settings["Entrypoint"], settings["Cmd"]) == ("7:0", ["init"], ["run"])
    assert settings["Env"] == ["A=b"]
    assert config["created"] == "2001-09-09T01:46:40+00:00"
    steps = [(row["created_by"], row.get("empty_layer")) for row in config["history"][2:]]
    assert steps == [("COPY all", None), ("USER 7:0", True), ("CMD x", True)]


def test_a_step_that_only_sets_something_has_no_layer_in_dockers_history() -> None:
    sizes = {'CMD ["python"]': 0, "USER 7:0": 0, "RUN mkdir /empty": 0, "ADD all": 9}
    rows = [{"CreatedBy": step, "Size": size} for step, size in sizes.items()]
    found = {row["created_by"]: row.get("empty_layer") for row in docker_history(rows, 2)}
    assert [step for step, empty in found.items() if not empty] == ["ADD all", "RUN mkdir /empty"]


def test_nothing_of_a_container_is_taken_over() -> None:
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
def test_as_many_steps_of_a_history_have_a_layer_as_there_are(
    layers: int, expected: list[bool]
) -> None:
    history = docker_history(ROWS, layers)
    assert empty(history) == expected
    assert history[0]["created_by"].endswith("ADD file")
    assert history[0]["comment"] == "first"
    assert history[0]["created"] == "1970-01-01T00:00:00+00:00"


@pytest.mark.parametrize("layers", [0, 5])
def test_a_history_that_cannot_be_is_replaced(layers: int) -> None:
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
def test_whether_images_are_kept_by_containerd_is_read_from_the_info(
    found: dict[str, Any], *, expected: bool
) -> None:
    assert stores_with_containerd(found) is expected


def test_the_image_is_what_the_engine_says_that_it_has_stored() -> None:
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


# Images that are the same each time ------------------------------------------------------------------


def config_of(above: Layer, found: dict[str, Any] = PODMAN, like: Any = None) -> Any:
    told: list[str] = []
    base = read_stored(found, found.get("History", []))
    files = unpacked(b"".join(archive(base, above, told.append, like)))
    return json.loads(files[f"{told[-1]}.json"])


def test_with_a_time_of_its_own_an_image_is_the_same_each_time() -> None:
    above = replace(layer(b"x"), created=1_700_000_000)
    config = config_of(above)
    assert config == config_of(above)
    assert config["created"] == "2023-11-14T22:13:20+00:00"
    assert config["history"][-1]["created"] == "1980-01-02T00:00:00+00:00"


def test_settings_and_steps_come_from_an_image_that_was_built_on_the_one_below() -> None:
    steps: list[dict[str, Any]] = [
        {"created_by": "RUN one", "created": "now", "comment": "FROM abc"},
        {"created_by": "RUN two", "created": "now", "empty_layer": True},
    ]
    built = {
        **PODMAN,
        "Config": {"User": "7", "Labels": {"of": "it"}},
        "RootFS": {"Layers": ["sha256:one", "sha256:two", "sha256:three"]},
    }
    like = read_stored(built, [*PODMAN["History"], *steps])
    config = config_of(replace(layer(b"x"), created=0, labels={"a": "b"}), like=like)
    assert config["config"]["User"] == "7"
    assert config["config"]["Labels"] == {"a": "b", "of": "it"}
    assert config["rootfs"]["diff_ids"][:-1] == ["sha256:one", "sha256:two"]
    *below, one, two, own = config["history"]
    assert below == PODMAN["History"]
    assert [row["created_by"] for row in (one, two, own)] == ["RUN one", "RUN two", "COPY all"]
    assert [row.get("empty_layer", False) for row in (one, two, own)] == [True, True, False]
    assert "now" not in json.dumps(config)
    assert "abc" not in json.dumps(config)


def test_labels_alone_make_an_image_without_a_layer() -> None:
    told: list[str] = []
    above = Layer(content=(), size=0, created_by="", labels={"a": "b", "x": ""}, created=0)
    base = read_stored(PODMAN, PODMAN["History"])
    files = unpacked(b"".join(archive(base, above, told.append)))
    assert json.loads(files["manifest.json"])[0]["Layers"] == ["stored-0.tar", "stored-1.tar"]
    config = json.loads(files[f"{told[-1]}.json"])
    assert config["rootfs"]["diff_ids"] == ["sha256:one", "sha256:two"]
    assert config["history"] == PODMAN["History"]
    assert config["config"]["Labels"] == {"a": "b"}  # what has no value any more is gone
