"""Specifics of Podman's containers: separate connections for input and output, and waiting for an ending container."""

from __future__ import annotations

from queue import Queue

import pytest

from buildr.engines.records import EngineInfo
from buildr.engines.streams import STDOUT
from buildr.errors import ContainerError, EngineError
from buildr_backends.podman.engine import Podman
from tests.unit.backends.server import Peer, Server, always, answer, answer_json, hanging, routes
from tests.unit.backends.test_frames import frame

OPEN = b"HTTP/1.1 200 OK\r\n\r\n"
ENDING = answer_json({"message": "sending KILL: container state improper: stopped"}, 500)


def podman(server: Server) -> Podman:
    info = EngineInfo(
        backend="podman",
        version="4.3.1",
        rootless=True,
        remote=False,
        endpoint=server.endpoint.url,
        found="a test",
    )
    return Podman(server.client(), info)


def test_input_uses_a_connection_without_output() -> None:
    heard: Queue[bytes] = Queue()

    def input_(peer: Peer) -> None:
        peer.request()
        # It is still read, and dropped, or Podman would stop.
        peer.say(OPEN, frame(STDOUT, b"hello" * 100_000))
        heard.put(peer.hear())

    with Server(hanging(OPEN, frame(STDOUT, b"hello")), input_) as server:
        streams = podman(server).attach("c", tty=False)
        streams.write(b"some input")
        streams.close_write()
        assert heard.get(timeout=60) == b"some input"
        assert [(n, bytes(data)) for n, data in streams.read()] == [(STDOUT, b"hello")]
        streams.close()


def test_a_terminal_needs_one_connection() -> None:
    with Server(hanging(OPEN)) as server:
        podman(server).attach("c", tty=True).close()
        assert server.connections == 1


@pytest.mark.parametrize("tty", [False, True])
def test_a_taken_port_is_reported_when_the_streams_are_opened(tty: bool) -> None:
    taken = answer_json({"message": "listen tcp 127.0.0.1:80: bind: address already in use"}, 500)
    with (
        Server(always(taken)) as server,
        pytest.raises(ContainerError, match="choose another host port"),
    ):
        podman(server).attach("c", tty=tty)


def test_a_failed_second_connection_closes_the_first() -> None:
    with (
        Server(hanging(OPEN), always(answer_json({"message": "no"}, 500))) as server,
        pytest.raises(ContainerError),
    ):
        podman(server).attach("c", tty=False)


def test_an_ending_container_is_removed_after_its_end() -> None:
    with Server(always(ENDING, answer(200, b"0"), answer(204))) as server:
        podman(server).remove("c")
        assert [(r.method, r.path) for r in server.requests] == [
            ("DELETE", "/containers/c"),
            ("POST", "/containers/c/wait"),
            ("DELETE", "/containers/c"),
        ]


def test_any_other_refusal_of_a_removal_is_an_error() -> None:
    with (
        Server(always(answer_json({"message": "storage is read-only"}, 500))) as server,
        pytest.raises(EngineError, match="read-only"),
    ):
        podman(server).remove("c")


CREATED = "2026-11-29T16:28:10.161012777Z"
BEFORE = "2026-11-29T16:28:10.161Z"
OWN = "a" * 64
OTHER = "b" * 64


def container(*volumes: str) -> bytes:
    mounts = [{"Type": "volume", "Name": name} for name in volumes]
    mounts.append({"Type": "bind", "Source": "/x"})
    return answer_json(
        {"Id": "c", "Created": CREATED, "State": {"Status": "exited"}, "Mounts": mounts}
    )


def volume(created: str, *, anonymous: bool = True) -> bytes:
    return answer_json({"Name": "x", "CreatedAt": created, "Anonymous": anonymous})


def removals(table: dict[str, bytes], *, volumes: bool) -> list[str]:
    """Remove a container, and return the removal requests."""
    with Server(routes({**table, "DELETE .*": answer(204)})) as server:
        podman(server).remove("c", volumes=volumes)
        return [
            r.target.removeprefix("/containers/") for r in server.requests if r.method == "DELETE"
        ]


def test_anonymous_volumes_are_kept_by_default() -> None:
    assert removals({}, volumes=False) == ["c?force=1&timeout=0"]


@pytest.mark.parametrize(
    ("table", "asked"),
    [
        ({"GET /containers/.*": container()}, ["c?force=1&timeout=0"]),
        ({"GET /containers/.*": answer(404)}, ["c?force=1&timeout=0"]),
        ({"GET /containers/.*": container("named")}, ["c?force=1&timeout=0"]),
        (
            {"GET /containers/.*": container(OWN), f"GET /volumes/{OWN}/.*": volume(CREATED)},
            ["c?force=1&timeout=0&volumes=true"],
        ),
        (
            {
                "GET /containers/.*": container(OWN),
                f"GET /volumes/{OWN}/.*": volume(CREATED, anonymous=False),
            },
            ["c?force=1&timeout=0"],
        ),
        (
            {
                "GET /containers/.*": container(OWN, OTHER),
                f"GET /volumes/{OWN}/.*": volume(CREATED),
                f"GET /volumes/{OTHER}/.*": volume(BEFORE),
            },
            ["c?force=1&timeout=0", f"/volumes/{OWN}"],
        ),
    ],
    ids=["none", "gone", "named", "own", "named by an id", "another container's"],
)
def test_only_the_container_s_own_anonymous_volumes_are_removed(
    table: dict[str, bytes], asked: list[str]
) -> None:
    assert removals(table, volumes=True) == asked


def test_volumes_of_an_inspected_container_are_not_looked_up_again() -> None:
    with Server(routes({"GET /containers/.*": container(), "DELETE .*": answer(204)})) as server:
        backend = podman(server)
        backend.state("c")
        backend.remove("c", volumes=True)
        assert [request.method for request in server.requests] == ["GET", "DELETE"]
