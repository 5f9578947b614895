"""An engine that falls silent or disappears is abandoned in time, and used again when it answers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from buildr.errors import EngineUnavailableError
from buildr_backends.http import client as http_client
from buildr_backends.http.client import Client
from buildr_backends.http.endpoint import Endpoint
from buildr_backends.shared import containers, engine
from tests.unit.backends.engines import reach
from tests.unit.backends.server import Peer, Server, always, answer, answer_json, hanging

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.backends.conftest import Serve

SOON = 0.05
ENDED = {"Id": "c", "State": {"Status": "exited", "Running": False, "ExitCode": 7}}


def test_after_a_missed_ping_requests_have_a_short_timeout(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "_SUSPECT_SECONDS", SOON)
    client = serve(hanging(), hanging(), always(answer())).client()
    with pytest.raises(EngineUnavailableError):
        client.expect(SOON, "GET", "/_ping")
    with pytest.raises(EngineUnavailableError):  # this would wait for two minutes otherwise
        client.request("GET", "/slow")
    monkeypatch.setattr(http_client, "_SUSPECT_SECONDS", 60.0)
    client.request("GET", "/back").read()
    assert not client._suspect


def test_a_lost_engine_is_restarted_if_possible(tmp_path: Path) -> None:
    endpoint = Endpoint(url="unix:///x", path=str(tmp_path / "engine.sock"))
    client = Client(endpoint)
    with pytest.raises(EngineUnavailableError):
        client.request("GET", "/")
    with Server(always(answer(body=b"back"))) as server:
        client.connections.revive = lambda: (tmp_path / "engine.sock").symlink_to(server.path)
        assert client.request("GET", "/").read() == b"back"
        client.close()


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_an_unanswered_wait_ends_with_the_guest(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "_WAIT_SECONDS", SOON)
    waited = threading.Event()

    def script(peer: Peer) -> None:
        while True:
            request = peer.request()
            if request.path.endswith("/wait"):
                waited.set()
                peer.hear()
                return
            state = ENDED if waited.is_set() else {"Id": "c", "State": {"Status": "running"}}
            peer.say(answer_json(state))

    with Server(script) as server:
        assert reach(name, server).wait("c") == 7


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_waiting_for_a_silent_engine_times_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "_WAIT_SECONDS", SOON)
    monkeypatch.setattr(engine, "_PING_SECONDS", SOON)
    asked = threading.Event()

    def script(peer: Peer) -> None:
        while True:
            request = peer.request()
            if request.path.endswith("/wait") or asked.is_set():
                asked.set()
                peer.hear()
                return
            peer.say(answer_json({"Id": "c", "State": {"Status": "running"}}))

    with Server(script) as server, pytest.raises(EngineUnavailableError):
        reach(name, server).wait("c")


@pytest.mark.parametrize("name", ["docker", "podman"])
@pytest.mark.parametrize(
    "pieces", [(), (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",)]
)
def test_reading_a_log_has_a_short_timeout(
    name: str, pieces: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "SOON_SECONDS", SOON)

    def script(peer: Peer) -> None:
        while True:
            request = peer.request()
            if request.path.endswith("/logs"):
                peer.say(*pieces)
                peer.hear()
                return
            peer.say(answer_json({"Config": {"Tty": False}}))

    with Server(script) as server, pytest.raises(EngineUnavailableError):
        reach(name, server).logs("c").read()
