"""The two SDKs: their requests, and the conversion of their exceptions."""

from __future__ import annotations

import base64
import gc
import inspect
import json
from typing import TYPE_CHECKING, Any

import docker.credentials.errors
import docker.errors
import docker.tls
import podman.errors
import pytest
import requests
import urllib3
from msgspec.structs import replace

from buildr.engines.records import EngineInfo, PushRequest
from buildr.errors import (
    BackendError,
    EngineError,
    EngineLostError,
    EngineUnavailableError,
    ImageNotFoundError,
    PushError,
)
from buildr_backends.docker import engine as docker_backend
from buildr_backends.docker import sdk as docker_sdk
from buildr_backends.http.client import Client
from buildr_backends.http.endpoint import Endpoint
from buildr_backends.podman import engine as podman_backend
from buildr_backends.podman import sdk as podman_sdk
from tests.unit.backends.engines import PREFIX, REAL, engine, reach
from tests.unit.backends.server import (
    Peer,
    always,
    answer,
    answer_chunked,
    answer_json,
    answer_stream,
    hanging,
    routes,
)
from tests.unit.backends.test_tls import PEM, server_side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from buildr.engines.records import Event
    from tests.unit.backends.conftest import Serve

# Both SDKs leave the socket of a truncated answer to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <:ResourceWarning")

ENGINES = pytest.mark.parametrize("name", ["podman", "docker"])
HOST = "registry.example.org:5000"
REFERENCE = f"{HOST}/me/hello:1"
WORD = "opens-sesame"
DIGEST = "sha256:" + "d" * 64
PUSH = PushRequest(image="sha256:" + "a" * 64, reference=REFERENCE)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Collect garbage of the SDKs with warnings disabled."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Log in to the registry, with both engines, and set a proxy that must not be used for engines."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    directory = tmp_path / ".docker"
    directory.mkdir()
    auth = base64.b64encode(f"me:{WORD}".encode()).decode()
    (directory / "config.json").write_text(json.dumps({"auths": {HOST: {"auth": auth}}}))


def nothing(_: Event) -> None:
    """Ignore progress."""


def answering(
    name: str, stream: bytes, *, image: dict[str, Any] | None = None
) -> Callable[[Peer], object]:
    """Return a script of an engine with one image, which pulls and pushes like this."""
    found = answer_json(image or REAL[name]["image"])
    return routes({"GET .*/images/.*/json": found, "POST .*/tag": answer(201), "POST .*": stream})


# What is sent -------------------------------------------------------------------------------------


def sent_login(header: str) -> object:
    return json.loads(base64.urlsafe_b64decode(header))


@ENGINES
def test_a_push_uses_the_user_s_login(name: str, serve: Serve) -> None:
    stream = answer_stream({"status": "Pushing"}, {"aux": {"Digest": DIGEST}})
    server = serve(answering(name, stream))
    assert reach(name, server).push(PUSH, nothing) == DIGEST
    push = server.requests[-1]
    assert sent_login(push.headers["x-registry-auth"]) == {
        "username": "me",
        "password": WORD,
        "serveraddress": HOST,
    }
    if name == "podman":
        assert push.path == f"{PREFIX[name]}/images/{PUSH.image}/push"
        assert push.query == {"destination": REFERENCE, "quiet": "false"}
    else:
        tag = server.requests[0]
        assert (tag.path, tag.query) == (
            f"{PREFIX[name]}/images/{PUSH.image}/tag",
            {"repo": f"{HOST}/me/hello", "tag": "1"},
        )
        assert push.path == f"{PREFIX[name]}/images/{HOST}/me/hello/push"
        assert push.query == {"tag": "1"}


@ENGINES
@pytest.mark.parametrize("reference", [REFERENCE, f"{HOST}/me/hello@{DIGEST}"])
def test_a_pull_uses_the_user_s_login(name: str, serve: Serve, reference: str) -> None:
    events: list[Event] = []
    server = serve(answering(name, answer_stream({"status": "Pulling"})))
    assert reach(name, server).pull(reference, events.append).command == ("python3",)
    pull = server.requests[0]
    assert sent_login(pull.headers["x-registry-auth"]) == {
        "username": "me",
        "password": WORD,
        "serveraddress": HOST,
    }
    if name == "podman":
        assert (pull.path, pull.query) == (
            f"{PREFIX[name]}/images/pull",
            {"reference": reference},
        )
    else:
        tag = DIGEST if "@" in reference else "1"
        assert pull.path == f"{PREFIX[name]}/images/create"
        assert pull.query == {"fromImage": f"{HOST}/me/hello", "tag": tag}
    assert [event.text for event in events] == ["Pulling"]


@ENGINES
def test_a_pull_without_a_login_is_anonymous(name: str, serve: Serve, tmp_path: Path) -> None:
    # docker-py would fail if it called the missing helper of the store.
    (tmp_path / ".docker/config.json").write_text('{"credsStore": "not-installed"}')
    server = serve(answering(name, answer_stream({"status": "x"})))
    reach(name, server).pull("docker.io/library/python:3-alpine", nothing)
    header = server.requests[0].headers.get("x-registry-auth")
    assert header is None or sent_login(header) == {}


def test_both_sdks_return_details(serve: Serve) -> None:
    of_docker = {
        "Driver": "overlay2",
        "CgroupVersion": "2",
        "DefaultRuntime": "runc",
        "KernelVersion": "6.1",
    }
    found = engine("docker", serve, always(answer_json(of_docker))).details()
    assert (found.storage_driver, found.cgroup_version, found.oci_runtime) == (
        "overlay2",
        "2",
        "runc",
    )
    of_podman = {
        "host": {
            "cgroupVersion": "v2",
            "ociRuntime": {"name": "crun"},
            "networkBackend": "netavark",
            "kernel": "6.1",
            "idMappings": {"uidmap": [{"size": 1}, {"size": 65536}]},
        },
        "store": {"graphDriverName": "overlay"},
    }
    found = engine("podman", serve, always(answer_json(of_podman))).details()
    assert (found.storage_driver, found.cgroup_version, found.oci_runtime) == (
        "overlay",
        "2",
        "crun",
    )
    assert (found.network, found.kernel, found.user_ids) == ("netavark", "6.1", 65537)


@ENGINES
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_an_engine_over_tcp_is_not_reached_through_a_proxy(
    name: str, serve: Serve, tls: bool
) -> None:
    info = {"host": {}, "store": {"graphDriverName": "x"}, "Driver": "x"}
    server = serve(always(answer_json(info)), tls=server_side() if tls else None)
    endpoint = replace(server.endpoint, tls=tls, tls_directory=str(PEM) if tls else "")
    assert _over(name, endpoint).details().storage_driver == "x"


def _over(name: str, endpoint: Endpoint) -> Any:
    info = EngineInfo(
        backend=name, version="x", rootless=False, remote=True, endpoint=endpoint.url, found=""
    )
    kind = podman_backend.Podman if name == "podman" else docker_backend.Docker
    return kind(Client(endpoint, PREFIX[name]), info)


# What fails ---------------------------------------------------------------------------------------


@ENGINES
@pytest.mark.parametrize(
    "stream",
    [
        answer_json({"message": "denied: no access"}, 401),
        answer_stream({"status": "x"}, {"error": "denied: no access"}),
        answer_stream({"errorDetail": {"message": "denied: no access"}, "error": "denied"}),
    ],
    ids=["at once", "in the stream", "with detail"],
)
def test_a_refusal_is_reported_without_the_login(name: str, serve: Serve, stream: bytes) -> None:
    backend = engine(name, serve, answering(name, stream))
    with pytest.raises(PushError, match="denied: no access") as push:
        backend.push(PUSH, nothing)
    with pytest.raises(ImageNotFoundError, match="denied: no access") as pull:
        backend.pull(REFERENCE, nothing)
    encoded = base64.b64encode(f"me:{WORD}".encode()).decode()
    for error in (push.value, pull.value):
        chain: BaseException | None = error
        while chain is not None:
            assert WORD not in f"{chain!r} {chain}"
            assert encoded not in f"{chain!r} {chain}"
            chain = chain.__context__ if not chain.__suppress_context__ else None


@ENGINES
def test_a_pull_that_leaves_no_image_has_failed(name: str, serve: Serve) -> None:
    script = routes({"POST .*": answer_stream({"status": "x"})})
    with pytest.raises(ImageNotFoundError, match="named no reason"):
        engine(name, serve, script).pull(REFERENCE, nothing)


BROKEN = {
    "no answer": Peer.request,
    "half a head": hanging(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "another protocol": hanging(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "half a stream": hanging(answer_chunked(b'{"status": "x"}\r\n', b'{"sta')[:-12]),
    "a chunk of no size": hanging(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"
    ),
    "not JSON": hanging(answer_chunked(b"<html>")),
    "half a document": hanging(answer_chunked(b'{"status": "x')),
}


def breaking(script: Callable[[Peer], object]) -> Callable[[Peer], object]:
    """Return a script that tags, and then does this."""

    def both(peer: Peer) -> None:
        request = peer.head()
        if request.path.endswith("/tag"):
            peer.say(answer(201))
            return
        peer.head = lambda: request  # type: ignore[method-assign]  # it was read already
        peer.requests.clear()
        script(peer)

    return both


@ENGINES
@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_connection_is_one_of_our_errors(name: str, serve: Serve, what: str) -> None:
    script = BROKEN[what]

    def hang_up(peer: Peer) -> None:
        real = peer.hear
        peer.hear = lambda: b""  # type: ignore[method-assign]  # do not wait: the connection ends
        script(peer)
        peer.hear = real  # type: ignore[method-assign] # as before

    server = serve(breaking(hang_up))
    with pytest.raises(BackendError):
        reach(name, server).push(PUSH, nothing)
    with pytest.raises(BackendError):
        reach(name, server).pull(REFERENCE, nothing)
    with pytest.raises(BackendError):
        reach(name, server).details()


@ENGINES
def test_a_silent_engine_times_out(
    name: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (podman_sdk, docker_sdk):
        monkeypatch.setattr(module, "ANSWER_SECONDS", 0.1)
    with pytest.raises((EngineUnavailableError, EngineError)):
        engine(name, serve, Peer.hear).details()


@ENGINES
def test_a_missing_engine_is_unavailable(name: str) -> None:
    with pytest.raises(BackendError):
        _over(name, Endpoint(url="unix:///nowhere", path="/nowhere")).details()


@ENGINES
@pytest.mark.parametrize("document", [None, [], "x", 7, {"host": 1, "store": None}])
def test_details_of_another_form_are_an_error(name: str, serve: Serve, document: object) -> None:
    backend = engine(name, serve, always(answer_json(document)))
    if name == "docker" and isinstance(document, dict):
        assert backend.details().storage_driver == ""
    else:
        with pytest.raises(BackendError):
            backend.details()


def test_tls_files_refused_by_docker_py_are_reported(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("none")
    (tmp_path / "key.pem").mkdir()
    endpoint = Endpoint(
        url="tcp://127.0.0.1:9", host="127.0.0.1", port=9, tls=True, tls_directory=str(tmp_path)
    )
    with pytest.raises(BackendError):
        _over("docker", endpoint).details()


@ENGINES
@pytest.mark.parametrize("error", [BrokenPipeError, ValueError, KeyboardInterrupt, RuntimeError])
def test_exceptions_of_the_progress_callback_pass_through(
    name: str, serve: Serve, error: type[BaseException]
) -> None:
    def fail(_: Event) -> None:
        raise error

    backend = engine(name, serve, answering(name, answer_stream({"status": "x"})))
    with pytest.raises(error):
        backend.push(PUSH, fail)


# Completeness -------------------------------------------------------------------------------------


def exceptions_of(module: ModuleType) -> list[type[Exception]]:
    return [
        found
        for found in vars(module).values()
        if inspect.isclass(found)
        and issubclass(found, Exception)
        and not issubclass(found, Warning)
    ]


@pytest.mark.parametrize(
    ("module", "caught"),
    [
        (docker.errors, docker_sdk.sdk_errors()),
        (podman.errors, podman_sdk.sdk_errors()),
        (requests.exceptions, docker_sdk.sdk_errors()),
        (requests.exceptions, podman_sdk.sdk_errors()),
        (urllib3.exceptions, docker_sdk.sdk_errors()),
        (urllib3.exceptions, podman_sdk.sdk_errors()),
    ],
    ids=lambda found: getattr(found, "__name__", ""),
)
def test_every_exception_of_the_sdks_is_caught(
    module: ModuleType, caught: tuple[type[Exception], ...]
) -> None:
    """Fails if a new version of an SDK has an unknown class."""
    found = exceptions_of(module)
    assert len(found) > 10
    assert [one for one in found if not issubclass(one, caught)] == []


def test_every_exception_of_docker_py_becomes_ours() -> None:
    client = Client(Endpoint(url="unix:///x", path="/x"))
    response = requests.Response()
    response.status_code = 409
    for kind in (*exceptions_of(docker.errors), *exceptions_of(requests.exceptions)):
        error = kind.__new__(kind)
        Exception.__init__(error, "words")
        error.__dict__.update(
            {"response": response, "explanation": "words"}
            | dict.fromkeys(("msg", "name", "param"), "words")
        )
        expected = (EngineError, EngineLostError, EngineUnavailableError)
        with pytest.raises(expected) as caught, docker_sdk.mapped(client):
            raise error
        if issubclass(kind, docker.errors.APIError):
            assert isinstance(caught.value, EngineError)
            assert (caught.value.status, caught.value.message) == (409, "words")
