"""A new volume on Docker belongs to the guest's user; by default it would belong to root."""

from __future__ import annotations

import io
import tarfile
from urllib.parse import parse_qs

import pytest

from buildr import labels
from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec, MountSpec
from buildr.engines.records import EngineInfo
from buildr.errors import BackendError
from buildr_backends.docker.engine import Docker
from buildr_backends.shared.states import read_containers
from tests.unit.backends.server import Request, Server, always, answer, answer_json

ABSENT = answer_json({"message": "no such volume"}, 404)
PRESENT = answer_json({"Name": "data"})
HELPER, CONTAINER = answer_json({"Id": "helper"}, 201), answer_json({"Id": "c"}, 201)
DONE, REMOVED = answer(200), answer(204)
VOLUME = MountSpec(kind="volume", source="data", target="/data")
LABELS = {labels.RUN: "1"}
IMAGE = "sha256:1"


def image(user: str) -> bytes:
    return answer_json({"Id": "sha256:i", "Config": {"User": user}})


def create(*answers: bytes, user: str | None = None, mount: MountSpec = VOLUME) -> list[Request]:
    """Create a container with a mount, and return the requests."""
    with Server(always(*answers)) as server:
        assert docker(server).create(spec(user, mount)) == "c"
        return server.requests


def spec(user: str | None = None, mount: MountSpec = VOLUME) -> ContainerSpec:
    return ContainerSpec(image=IMAGE, user=user, mounts=(mount,), labels=LABELS, hardened=True)


def docker(server: Server) -> Docker:
    info = EngineInfo(
        backend="docker",
        version="20.10",
        rootless=False,
        remote=False,
        endpoint="",
        found="a test",
    )
    return Docker(server.client(), info)


def paths(requests: list[Request]) -> list[tuple[str, str]]:
    return [(request.method, request.path) for request in requests]


@pytest.mark.parametrize(
    ("user", "of_image", "owner"),
    [(None, "1000:0", (1000, 0)), (None, "1000", (1000, 0)), ("1001:7", "1000:0", (1001, 7))],
)
def test_a_new_volume_is_given_to_the_user_of_the_guest(
    user: str | None, of_image: str, owner: tuple[int, int]
) -> None:
    looked_up = [] if user else [image(of_image)]
    requests = create(ABSENT, *looked_up, HELPER, DONE, REMOVED, CONTAINER, user=user)
    archive = next(request for request in requests if request.path == "/containers/helper/archive")
    with tarfile.open(fileobj=io.BytesIO(archive.body)) as tar:
        (member,) = tar.getmembers()
    assert member.isdir()
    assert (member.uid, member.gid, member.mode) == (*owner, 0o775)
    helper = next(request for request in requests if request.path == "/containers/create").json
    (mount,) = helper["HostConfig"]["Mounts"]
    assert (mount["Source"], mount["Target"]) == ("data", f"/{member.name}")


def test_the_helper_is_removed_and_never_started() -> None:
    requests = create(ABSENT, image("1000:0"), HELPER, DONE, REMOVED, CONTAINER)
    assert paths(requests)[2:] == [
        ("POST", "/containers/create"),
        ("PUT", "/containers/helper/archive"),
        ("DELETE", "/containers/helper"),
        ("POST", "/containers/create"),
    ]


def test_a_sweep_finds_the_helper() -> None:
    requests = create(ABSENT, image("1000:0"), HELPER, DONE, REMOVED, CONTAINER)
    labels = requests[2].json["Labels"]
    assert LABELS.items() <= labels.items()
    name = parse_qs(requests[2].target.partition("?")[2])["name"][0]
    found = {"Id": "x", "State": "created", "Labels": labels, "Names": [f"/{name}"]}
    (helper,) = read_containers([found | {"ImageID": IMAGE}])
    assert ownership.is_ours(helper)
    assert not ownership.is_run(helper)


def test_the_helper_is_removed_after_a_failure() -> None:
    refused = answer_json({"message": "no space left"}, 500)
    with Server(always(ABSENT, image("1000:0"), HELPER, refused, REMOVED)) as server:
        with pytest.raises(BackendError, match="no space left"):
            docker(server).create(spec())
        assert paths(server.requests)[-1] == ("DELETE", "/containers/helper")


def test_an_existing_volume_is_left_alone() -> None:
    assert paths(create(PRESENT, CONTAINER)) == [
        ("GET", "/volumes/data"),
        ("POST", "/containers/create"),
    ]


@pytest.mark.parametrize("of_image", ["", "0", "0:0", "root", "somebody"])
def test_a_new_volume_is_left_to_docker_for_root_and_named_users(of_image: str) -> None:
    requests = create(ABSENT, image(of_image), CONTAINER)
    assert paths(requests)[-1] == ("POST", "/containers/create")
    assert len(requests) == 3


def test_other_mounts_are_not_looked_up() -> None:
    mount = MountSpec(kind="bind", source="/data", target="/data")
    assert paths(create(CONTAINER, mount=mount)) == [("POST", "/containers/create")]
