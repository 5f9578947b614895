"""Named volumes: created once, listed by labels, removed if no container uses them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from buildr.engines.records import Volume
from buildr.errors import EngineError
from tests.unit.backends.engines import PREFIX, reach
from tests.unit.backends.server import Server, always, answer, answer_json, routes

if TYPE_CHECKING:
    from tests.unit.backends.conftest import Serve

LABELS = {"buildr.host.cache": "wheels"}
ROWS = [{"Name": "cache", "Labels": LABELS}, {"Name": "plain", "Labels": None}]
# What the engines answer to a list: Podman a list, Docker an object.
LISTS: dict[str, object] = {"podman": ROWS, "docker": {"Volumes": ROWS, "Warnings": None}}
ENDING = {"podman": "/json", "docker": ""}


@pytest.mark.parametrize("name", PREFIX)
def test_a_volume_is_made_with_its_labels(name: str) -> None:
    with Server(always(answer_json({"Name": "cache"}, 201))) as server:
        reach(name, server).make_volume("cache", LABELS)
        (request,) = server.requests
    assert (request.method, request.path) == ("POST", f"{PREFIX[name]}/volumes/create")
    body = json.loads(request.body)
    assert body == {"Name": "cache", "Labels": LABELS, "Label": LABELS}


@pytest.mark.parametrize("name", PREFIX)
def test_an_existing_volume_is_not_an_error(name: str, serve: Serve) -> None:
    # Podman 4.3: "volume with name cache already exists: volume already exists", 500.
    table = {
        f"POST {PREFIX[name]}/volumes/create": answer_json({"message": "it exists"}, 500),
        f"GET {PREFIX[name]}/volumes/cache{ENDING[name]}": answer_json({"Name": "cache"}),
    }
    reach(name, serve(routes(table))).make_volume("cache", LABELS)
    with pytest.raises(EngineError, match="it exists"):
        reach(name, serve(routes(table))).make_volume("other", LABELS)


@pytest.mark.parametrize("name", PREFIX)
def test_volumes_are_listed_by_their_labels(name: str) -> None:
    with Server(always(answer_json(LISTS[name]))) as server:
        found = reach(name, server).volumes(LABELS)
        (request,) = server.requests
    assert request.path == f"{PREFIX[name]}/volumes{ENDING[name]}"
    assert json.loads(request.query["filters"]) == {"label": ["buildr.host.cache=wheels"]}
    assert found == [Volume(name="cache", labels=LABELS), Volume(name="plain")]


def test_docker_reports_their_sizes(serve: Serve) -> None:
    usage = [
        {"Name": "cache", "UsageData": {"Size": 12, "RefCount": 0}},
        {"Name": "plain", "UsageData": {"Size": -1, "RefCount": -1}},
    ]
    table = {
        "GET /v1.41/volumes": answer_json(LISTS["docker"]),
        "GET /v1.41/system/df": answer_json({"Volumes": usage}),
    }
    found = reach("docker", serve(routes(table))).volumes({}, sizes=True)
    assert [volume.size for volume in found] == [12, None]


@pytest.mark.parametrize("name", PREFIX)
def test_an_absent_volume_is_removed_and_one_in_use_is_not(name: str) -> None:
    with Server(always(answer(404, b"{}"), answer_json({"message": "in use"}, 409))) as server:
        engine = reach(name, server)
        engine.remove_volume("cache")
        with pytest.raises(EngineError, match="in use"):
            engine.remove_volume("cache")
        assert [(one.method, one.path) for one in server.requests] == [
            ("DELETE", f"{PREFIX[name]}/volumes/cache")
        ] * 2
