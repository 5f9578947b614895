"""Connecting to an engine: recognition, versions, and deadlines."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from buildr.engines import registry
from buildr.engines.records import Target
from buildr.errors import (
    EngineNotFoundError,
    EngineTooOldError,
    EngineUnavailableError,
)
from buildr_backends.docker import endpoint as docker_endpoint
from buildr_backends.docker import engine as docker
from buildr_backends.http import probe
from buildr_backends.http.client import Client
from buildr_backends.http.endpoint import Endpoint
from buildr_backends.http.probe import half_way, ping, version_number
from buildr_backends.podman import endpoint as podman_endpoint
from buildr_backends.podman import engine as podman
from buildr_backends.podman import service as podman_service
from buildr_backends.shared import facts
from tests.unit.backends.engines import REAL
from tests.unit.backends.server import Peer, Server, always, answer, answer_json, hanging, routes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.unit.backends.conftest import Serve

CONNECT: dict[str, Callable[[Target], Any]] = {"podman": podman.connect, "docker": docker.connect}
ENGINES = pytest.mark.parametrize("name", CONNECT)


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide all engines."""
    for name in tuple(os.environ):
        if name.startswith(("CONTAINER", "DOCKER_", "PODMAN_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(podman_endpoint, "discovered", lambda: iter(()))
    monkeypatch.setattr(docker_endpoint, "discovered", lambda: iter(()))


def answering(headers: Mapping[str, str]) -> Callable[[Peer], object]:
    """Return a script of an engine that answers pings with these headers."""
    pong = answer(200, b"OK", headers)
    return routes({"GET (/v4.0.0/libpod)?/_ping": pong, ".*": answer_json({"Id": "x"})})


def saying(name: str, *, rootless: bool, kernel: str = "", memory: int = 0) -> dict[str, Any]:
    """Return what an engine reports about itself: by default on this machine."""
    kernel = kernel or os.uname().release
    memory = memory or facts._memory()
    if name == "podman":
        security = {"rootless": rootless}
        return {"host": {"security": security, "kernel": kernel, "memTotal": memory}}
    options = ["name=seccomp,profile=default", *(["name=rootless"] if rootless else [])]
    return {"SecurityOptions": options, "KernelVersion": kernel, "MemTotal": memory}


ROOTLESS = {name: saying(name, rootless=True) for name in CONNECT}
ROOTFUL = {name: saying(name, rootless=False) for name in CONNECT}


def telling(name: str, said: object) -> Callable[[Peer], object]:
    """Return a script of an engine that answers pings, and reports this about itself."""
    pong = answer(200, b"OK", REAL[name]["ping"])
    return routes({"GET (/v4.0.0/libpod)?/_ping": pong, "GET .*/info": answer_json(said)})


def reach(name: str, serve: Serve, script: Callable[[Peer], object]) -> Any:
    backend = CONNECT[name](Target(endpoint=f"unix://{serve(script).path}"))
    backend.close()
    return backend


def found_at(
    monkeypatch: pytest.MonkeyPatch, name: str, *endpoints: Endpoint, why: str = "a test"
) -> None:
    module = podman_endpoint if name == "podman" else docker_endpoint
    monkeypatch.setattr(module, "discovered", lambda: ((one, why) for one in endpoints))


def dead(path: Path, count: int) -> list[Endpoint]:
    """Return sockets without a listener."""
    endpoints = []
    for index in range(count):
        with socket.socket(socket.AF_UNIX) as listener:
            os.chdir(path)  # a path of any length
            listener.bind(f"{index}")
        endpoints.append(Endpoint(url=f"unix:///dead/{index}", path=f"{index}"))
    return endpoints


# What answers -------------------------------------------------------------------------------------


@ENGINES
def test_a_real_engine_is_recognized_by_its_first_answer(name: str, serve: Serve) -> None:
    server = serve(telling(name, ROOTLESS[name]))
    backend = CONNECT[name](Target(endpoint=f"unix://{server.path}"))
    backend.close()
    info = backend.info
    assert info.backend == name
    assert info.version == {"podman": "4.3.1", "docker": "20.10.24+dfsg1"}[name]
    assert info.endpoint == f"unix://{server.path}"
    assert info.found == "named explicitly"
    assert info.rootless
    assert not info.remote
    assert len(server.requests) == 2
    CONNECT[name](Target(endpoint=f"unix://{server.path}")).close()
    assert len(server.requests) == 3, "one question is all that it costs, once it is known"


def asked(name: str, serve: Serve, said: object) -> tuple[bool, bool]:
    """Return whether an engine with these facts counts as rootless, and as remote."""
    info = reach(name, serve, telling(name, said)).info
    return info.rootless, info.remote


@ENGINES
def test_an_engine_is_rootless_if_it_says_so_regardless_of_the_socket_owner(
    name: str, serve: Serve
) -> None:
    """Here this process owns it; it might be ssh that forwards the socket of a rootful engine."""
    assert asked(name, serve, ROOTLESS[name]) == (True, False)
    assert asked(name, serve, ROOTFUL[name]) == (False, False)


@ENGINES
@pytest.mark.parametrize("said", [{}, [], {"host": {}}, {"SecurityOptions": 1}, None, "rootless"])
def test_an_engine_that_does_not_say_is_treated_as_rootful(
    name: str, serve: Serve, said: object
) -> None:
    assert asked(name, serve, said) == (False, False)


@ENGINES
@pytest.mark.parametrize("other", [{"kernel": "4.19.0-elsewhere"}, {"memory": 4096}])
def test_an_engine_with_another_kernel_or_memory_is_remote(
    name: str, serve: Serve, other: dict[str, Any]
) -> None:
    assert asked(name, serve, saying(name, rootless=False, **other)) == (False, True)


@ENGINES
def test_a_recreated_socket_may_belong_to_another_engine(name: str, tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    for said, rootless in ((ROOTLESS[name], True), (ROOTFUL[name], False)):
        with Server(telling(name, said)) as server:
            path.unlink(missing_ok=True)
            os.link(server.path, path)
            backend = CONNECT[name](Target(endpoint=f"unix://{path}"))
            backend.close()
            assert backend.info.rootless is rootless


def test_a_just_started_service_is_not_asked(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Podman takes more than a second for an answer."""
    server = serve(telling("podman", {}))
    endpoint = Endpoint(url=f"unix://{server.path}", path=server.path)
    monkeypatch.setattr(podman_service, "find_podman", lambda: "podman")
    monkeypatch.setattr(podman_service, "service", lambda _: endpoint)
    for uid in (0, 1000):
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        backend = podman.connect(Target())
        backend.close()
        assert backend.info.rootless is bool(uid)
    assert {request.path for request in server.requests} == {"/v4.0.0/libpod/_ping"}


@pytest.mark.parametrize(
    "version", ["4.0.0", "4.0.0-dev", "4.9.3", "5.8.0-rc1", "10.0.0", "5.0", "4.3.1+ds1-8+b1"]
)
def test_a_supported_podman_is_accepted(serve: Serve, version: str) -> None:
    backend = reach("podman", serve, answering({"Libpod-API-Version": version}))
    assert backend.info.version == version


@pytest.mark.parametrize(
    ("version", "program"), [("4.9.3", "slirp4netns"), ("5.0.0", "pasta"), ("10.1", "pasta")]
)
def test_the_network_program_depends_on_the_version_of_podman(
    serve: Serve, version: str, program: str
) -> None:
    info = reach("podman", serve, answering({"Libpod-API-Version": version})).info
    assert (info.network_program, info.daemonless) == (program, True)


@ENGINES
def test_hints_name_the_engine_s_own_command(name: str, serve: Serve) -> None:
    info = reach(name, serve, answering(REAL[name]["ping"])).info
    assert info.command == name
    assert info.health_on_request is (name == "podman")
    assert info.proxies == ("docker" if name == "docker" else "environment")


@pytest.mark.parametrize("uid", [0, 1000])
@ENGINES
def test_a_rootful_engine_is_shared(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, name: str, uid: int
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    # A rootless engine belongs to its user, and rootful Podman to root; one on another machine may be shared.
    assert not reach(name, serve, telling(name, ROOTLESS[name])).info.shared
    rootful = reach(name, serve, telling(name, ROOTFUL[name])).info
    assert rootful.shared is ((name, uid) != ("podman", 0))
    elsewhere = saying(name, rootless=True, kernel="4.19.0-elsewhere")
    assert reach(name, serve, telling(name, elsewhere)).info.shared


@pytest.mark.parametrize("version", ["3.4.4", "3.99.0-dev", "1.0.0", "0.1"])
def test_an_old_podman_is_refused(serve: Serve, version: str) -> None:
    with pytest.raises(
        EngineTooOldError, match=rf"Podman {version} at unix://.* is too old"
    ) as caught:
        reach("podman", serve, answering({"Libpod-API-Version": version}))
    assert "4.0 or newer" in caught.value.hint


@pytest.mark.parametrize("version", ["", "soon", "-1.2", "v4.0.0", "4", "4."])
def test_a_server_other_than_podman_is_refused(serve: Serve, version: str) -> None:
    with pytest.raises(EngineUnavailableError, match="is not Podman"):
        reach("podman", serve, answering({"Libpod-API-Version": version}))


@pytest.mark.parametrize(
    ("api", "prefix"),
    [
        ("1.41", "/v1.41"),
        ("1.43", "/v1.43"),
        ("1.44", "/v1.44"),
        ("1.52", "/v1.44"),  # Docker 29 serves 1.44 to 1.52
        ("2.0", "/v1.44"),
    ],
)
def test_docker_is_asked_in_a_version_that_both_understand(
    serve: Serve, api: str, prefix: str
) -> None:
    server = serve(answering({"Api-Version": api, "Server": "Docker/29.0.0 (linux)"}))
    backend = docker.connect(Target(endpoint=f"unix://{server.path}"))
    assert backend.info.version == "29.0.0"
    backend.ping()
    backend.close()
    paths = [request.path for request in server.requests]
    assert paths == ["/_ping", f"{prefix}/info", f"{prefix}/_ping"]


@pytest.mark.parametrize("api", ["1.40", "1.24", "0.9"])
def test_an_old_docker_is_refused(serve: Serve, api: str) -> None:
    headers = {"Api-Version": api, "Server": "Docker/19.03.1 (linux)"}
    with pytest.raises(EngineTooOldError, match=rf"Docker 19\.03\.1 .* \(API {api}\)") as caught:
        reach("docker", serve, answering(headers))
    assert "20.10 or newer" in caught.value.hint


@pytest.mark.parametrize("api", ["", "1", "one.two", "1.x"])
def test_a_server_other_than_docker_is_refused(serve: Serve, api: str) -> None:
    with pytest.raises(EngineUnavailableError, match="is not Docker"):
        reach("docker", serve, answering({"Api-Version": api} if api else {}))


def test_docker_at_podman_s_address_is_recognized(serve: Serve) -> None:
    # Docker returns a 404 for libpod's path.
    script = routes({"GET /_ping": answer(200, b"OK", REAL["docker"]["ping"])})
    with pytest.raises(EngineUnavailableError, match="no container engine seems to be"):
        reach("podman", serve, script)


def test_podman_at_docker_s_address_is_recognized(serve: Serve) -> None:
    with pytest.raises(EngineUnavailableError, match="answers, but is Podman") as caught:
        reach("docker", serve, answering(REAL["podman"]["ping"]))
    assert "BUILDR_BACKEND=podman and CONTAINER_HOST=unix://" in caught.value.hint


@ENGINES
@pytest.mark.parametrize(
    "script",
    [
        Peer.close,
        hanging(b"SSH-2.0-OpenSSH_9.2\r\n"),
        hanging(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
        always(answer(500, b"broken")),
        always(answer(200, b"<html>")),
        always(answer(204)),
    ],
    ids=["hangs up", "another protocol", "half an answer", "500", "a web server", "nothing"],
)
def test_an_address_without_an_engine_is_reported(
    name: str, serve: Serve, monkeypatch: pytest.MonkeyPatch, script: Callable[[Peer], object]
) -> None:
    monkeypatch.setattr(probe, "REACH_SECONDS", 0.3)
    with pytest.raises(EngineUnavailableError):
        reach(name, serve, script)


# Which one ----------------------------------------------------------------------------------------


@ENGINES
def test_stale_sockets_are_skipped(
    name: str, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server = serve(always(answer(200, b"OK", REAL[name]["ping"])))
    found_at(monkeypatch, name, *dead(tmp_path, 2), server.endpoint)
    backend = CONNECT[name](Target())
    backend.close()
    assert (backend.info.endpoint, backend.info.found) == (f"unix://{server.path}", "a test")


@ENGINES
def test_sockets_of_another_engine_are_skipped(
    name: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "docker" if name == "podman" else "podman"
    wrong = serve(always(answer(200, b"OK", REAL[other]["ping"])))
    right = serve(always(answer(200, b"OK", REAL[name]["ping"])))
    found_at(monkeypatch, name, wrong.endpoint, right.endpoint)
    backend = CONNECT[name](Target())
    backend.close()
    assert backend.info.endpoint == right.endpoint.url


@ENGINES
def test_the_first_failure_is_reported_when_nothing_answers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found_at(monkeypatch, name, *dead(tmp_path, 2))
    with pytest.raises(
        EngineUnavailableError, match=r"unix:///dead/0 cannot be reached: .*refused"
    ):
        CONNECT[name](Target())


@ENGINES
def test_no_engine_is_found(name: str) -> None:
    with pytest.raises(EngineNotFoundError) as caught:
        CONNECT[name](Target())
    other = "docker" if name == "podman" else "podman"
    assert f"BUILDR_BACKEND={other}" in caught.value.hint


def test_a_forbidden_socket_is_reported_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found_at(monkeypatch, "docker", *dead(tmp_path, 1))
    monkeypatch.setattr(os, "access", lambda *_: False)
    for target in (Target(), Target(endpoint=f"unix://{tmp_path}/0")):
        with pytest.raises(
            EngineUnavailableError, match=r"may not open Docker's socket .*0"
        ) as caught:
            docker.connect(target)
        assert "group `docker`" in caught.value.hint


def test_a_dead_default_connection_is_not_replaced(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = Endpoint(url="unix://alive", path=serve(answering(REAL["podman"]["ping"])).path)
    dead = Endpoint(url="unix:///dead.sock", path=f"{tmp_path}/dead.sock")
    monkeypatch.setattr(
        podman_endpoint, "default_connection", lambda: (dead, "the Podman connection 'far'")
    )
    monkeypatch.setattr(podman_endpoint, "discovered", lambda: iter([(alive, "alive")]))
    with pytest.raises(
        EngineUnavailableError, match="the Podman connection 'far', your default"
    ) as caught:
        podman.connect(Target())
    assert "podman system connection default" in caught.value.hint


@ENGINES
def test_a_dead_named_engine_is_not_replaced(
    name: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    living = serve(always(answer(200, b"OK", REAL[name]["ping"])))
    found_at(monkeypatch, name, living.endpoint)
    monkeypatch.setenv("CONTAINER_HOST", "unix:///nowhere")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    with pytest.raises(EngineUnavailableError, match="unix:///nowhere cannot be reached"):
        CONNECT[name](Target())
    assert living.requests == []


@ENGINES
def test_an_engine_over_tcp_is_remote_and_treated_as_rootful(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = podman if name == "podman" else docker
    headers = {key.lower(): value for key, value in REAL[name]["ping"].items()}
    monkeypatch.setattr(module, "ping", lambda *_: headers)
    info = CONNECT[name](Target(endpoint="tcp://127.0.0.1:1")).info
    assert (info.remote, info.rootless) == (True, False)


# How long -----------------------------------------------------------------------------------------


class Clock:
    """A clock that advances only while waiting for an engine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.waited: list[float] = []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(Client, "request", self.request)

    def request(self, *_: object, seconds: float, **__: object) -> None:
        self.waited.append(seconds)
        self.now += seconds
        raise EngineUnavailableError("silence")


@ENGINES
@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_sockets_that_do_not_answer_share_one_deadline(
    name: str, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    found_at(monkeypatch, name, *[Endpoint(url=f"unix:///{i}", path=f"/{i}") for i in range(count)])
    clock = Clock(monkeypatch)
    with pytest.raises(EngineUnavailableError, match="silence"):
        CONNECT[name](Target())
    assert len(clock.waited) == count
    assert min(clock.waited) >= 0.2, "an engine that lives has the time to say so"
    assert sum(clock.waited) < 10.5 if count == 10 else sum(clock.waited) < 10


@ENGINES
def test_a_named_engine_has_the_whole_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    with pytest.raises(EngineUnavailableError, match="silence"):
        CONNECT[name](Target(endpoint="unix:///x"))
    assert clock.waited == [9.0]


@ENGINES
def test_the_caller_sets_the_deadline(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    with pytest.raises(EngineUnavailableError, match="silence"):
        CONNECT[name](Target(endpoint="unix:///x", deadline=clock.now + 3))
    assert clock.waited == [3.0]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_both_engines_share_one_deadline_with_auto(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    for name in CONNECT:
        sockets = [Endpoint(url=f"unix:///{i}", path=f"/{i}") for i in range(count)]
        found_at(monkeypatch, name, *sockets)
    clock = Clock(monkeypatch)
    with pytest.raises(EngineNotFoundError, match=r"podman: silence\n  docker: silence"):
        registry.connect(registry.choose(), print)
    assert sum(clock.waited) < 10
    assert clock.waited[count] >= 1, "Docker has time left to say that it lives"


@pytest.mark.parametrize("variable", ["CONTAINER_HOST", "DOCKER_HOST"])
def test_named_addresses_share_one_deadline_too(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "unix:///named")
    found_at(monkeypatch, "docker", Endpoint(url="unix:///x", path="/x"))
    clock = Clock(monkeypatch)
    with pytest.raises(EngineNotFoundError):
        registry.connect(registry.choose(), print)
    assert 3 < sum(clock.waited) < 10


def test_the_time_is_halved_and_never_negative() -> None:
    now = time.monotonic()
    assert now + 4 < half_way(now + 10) < now + 6
    assert now <= half_way(now - 10)


def test_a_live_engine_is_reached_even_after_the_deadline(serve: Serve) -> None:
    server = serve(always(answer(200, b"OK", {"X": "y"})))
    headers = ping(server.client(), deadline=0.0)
    assert headers["x"] == "y"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4.3.1", (4, 3)),
        ("4.0.0-dev", (4, 0)),
        ("1.41", (1, 41)),
        ("10.20", (10, 20)),
        ("4", None),
        ("", None),
        ("4.x", None),
        ("x4.1", None),
        ("4.1234567890", None),
        ("9" * 5000 + ".1", None),
        ("\u0664.\u0660", None),
    ],
)
def test_versions_are_parsed(text: str, number: tuple[int, int] | None) -> None:
    assert version_number(text) == number
