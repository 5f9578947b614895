"""An engine that sends too much, or too slowly: the cost is bounded."""

from __future__ import annotations

import json
import socket
import ssl
import time
from typing import TYPE_CHECKING

import pytest

from buildr.errors import EngineError, EngineLostError, EngineUnavailableError
from buildr.host.limits import ANSWER_VALUES
from buildr_backends.http import json_stream
from buildr_backends.http.tls import TlsConnection
from tests.unit.backends.engines import engine, reach
from tests.unit.backends.server import Hangup, Peer, always, answer, answer_stream
from tests.unit.backends.test_tls import PEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.backends.conftest import Serve

ENGINES = pytest.mark.parametrize("name", ["podman", "docker"])
TICK = 1.0  # seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Advance the clock by a second at each reading."""
    now = time.monotonic()

    def tick() -> float:
        nonlocal now
        now += TICK
        return now

    monkeypatch.setattr("time.monotonic", tick)


def dripping(head: bytes, byte: bytes = b" ") -> Callable[[Peer], None]:
    """Return a script that answers with bytes one by one, and never ends."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.say(head)
        try:
            while True:
                peer.say(byte)
        except OSError:
            raise Hangup from None

    return script


ENDLESS = answer(200, b"").replace(b"Content-Length: 0", b"Content-Length: 100000000")
REFUSED = ENDLESS.replace(b"200", b"500")


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("start", [ENDLESS, b"HTTP/1.1 200 OK\r\nX-Long: "], ids=["body", "head"])
def test_a_slow_answer_has_one_deadline(serve: Serve, start: bytes) -> None:
    client = serve(dripping(start)).client()
    with pytest.raises((EngineUnavailableError, EngineLostError), match="answer"):
        client.request("GET", "/info", seconds=20).read()


@pytest.mark.usefixtures("clock")
def test_a_slow_error_is_reported_with_the_part_that_arrived(serve: Serve) -> None:
    client = serve(dripping(REFUSED, b"no ")).client()
    with pytest.raises(EngineError, match="no no no"):
        client.request("POST", "/build", seconds=None)


@pytest.mark.usefixtures("clock")
@ENGINES
def test_slow_details_are_limited_in_time(name: str, serve: Serve) -> None:
    with pytest.raises((EngineUnavailableError, EngineLostError)):
        engine(name, serve, dripping(ENDLESS)).details()


@pytest.mark.usefixtures("clock")
def test_a_stream_has_no_deadline(serve: Serve) -> None:
    client = serve(always(answer_stream(*({"n": n} for n in range(300))))).client()
    response = client.request("GET", "/events", seconds=20)
    assert len(list(json_stream.documents(response.chunks()))) == 300


@pytest.mark.usefixtures("clock")
def test_a_slow_tls_record_is_one_wait() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.settimeout(20)
        context = ssl.create_default_context(cafile=str(PEM / "ca.pem"))
        theirs.sendall(b"\x16\x03\x03\x40\x00" + b"\x02" * 16)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(OSError, match=r"timed out|EOF|violation|SSL"):
            TlsConnection(_OneByOne(ours), context, "localhost")  # type: ignore[arg-type]  # all that it uses
    ours.close()


class _OneByOne:
    """A socket that returns one byte at a time, and repeats the last one."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.gettimeout = real.gettimeout
        self.settimeout = real.settimeout
        self.sendall = real.sendall

    def recv(self, _: int) -> bytes:
        return self._real.recv(1) or b"\x02"


# Documents ----------------------------------------------------------------------------------------


@ENGINES
@pytest.mark.parametrize("item", [b"[]", b"{}", b'{"a":0}', b"0"])
def test_a_list_of_too_many_values_is_refused_before_it_takes_memory(
    name: str, item: bytes, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[bytes] = []
    real = json.loads

    def loads(data: bytes, **words: object) -> object:
        decoded.append(data)
        return real(data, **words)  # type: ignore[arg-type]  # the words of the real one

    monkeypatch.setattr(json, "loads", loads)
    body = b"[" + (item + b",") * (ANSWER_VALUES + 1) + b"0]"
    with pytest.raises(EngineLostError, match="not what was asked for"):
        reach(name, serve(always(answer(200, body)))).containers({})
    assert decoded == []


def test_a_list_of_thousands_of_images_is_accepted(serve: Serve) -> None:
    row = {
        "Id": "a" * 64,
        "RepoTags": ["localhost/buildr/x:latest"],
        "Labels": {f"label.{n}": "x" * 20 for n in range(40)},
        "Created": 1,
        "Size": 1,
    }
    body = json.dumps([row] * 10_000).encode()
    assert len(reach("docker", serve(always(answer(200, body)))).images({})) == 10_000


def test_a_multi_line_document_is_not_decoded_at_each_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at = 0
    real = json.JSONDecoder.raw_decode

    def raw_decode(self: json.JSONDecoder, text: str, idx: int = 0) -> tuple[object, int]:
        nonlocal looked_at
        looked_at += len(text)
        return real(self, text, idx)

    monkeypatch.setattr(json.JSONDecoder, "raw_decode", raw_decode)
    line = b"0," + b" " * 97 + b"\n"
    chunks = [b"[\n", *([line] * 5000), b"0]\n"]
    assert list(json_stream.documents(chunks)) == [[0] * 5001]
    assert looked_at < 30 * len(line) * 5000


@ENGINES
def test_the_output_of_a_load_is_limited(
    name: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildr_backends.shared.images.DOCUMENT_CHARACTERS", 100)
    stream = answer_stream(*({"stream": "x" * 50} for _ in range(50)))
    with pytest.raises((EngineError, EngineLostError)) as caught:
        reach(name, serve(always(stream, answer(404)))).load([b"tar"], "localhost/x:1")
    assert len(getattr(caught.value, "message", "")) < 500
