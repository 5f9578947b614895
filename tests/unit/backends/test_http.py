"""The HTTP client: every framing of RFC 9112 that an engine may use, and every failure."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildr.errors import EngineError, EngineLostError, EngineUnavailableError
from buildr_backends.http import client as http_client
from buildr_backends.http import response as http_response
from buildr_backends.http.client import Client
from buildr_backends.http.endpoint import Endpoint
from buildr_backends.http.request import Content, encode_query, json_content, quote
from buildr_backends.http.response import Response
from tests.unit.backends.server import (
    Hangup,
    Peer,
    always,
    answer,
    answer_chunked,
    answer_json,
    cut,
    hanging,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr_backends.http.endpoint import Connection
    from tests.unit.backends.conftest import Serve


class Pieces:
    """A connection that receives the given pieces one by one, and then ends."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = [piece for piece in pieces if piece]
        self.closed = False

    def recv(self, size: int) -> bytes:
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if len(piece) > size:
            self._pieces.insert(0, piece[size:])
        return piece[:size]

    def settimeout(self, seconds: float | None) -> None:
        """Never wait."""

    def shutdown(self, how: int) -> None:
        """There is no other end."""

    def close(self) -> None:
        self.closed = True


def answer_on(connection: object, method: str = "GET", deadline: float | None = None) -> Response:
    """Return the answer on a fake connection, which is not reused."""
    return Response(
        "unix:///nowhere",
        cast("Connection", connection),
        method,
        deadline,
        give_back=lambda *_: None,
    )


def response(*pieces: bytes, method: str = "GET") -> Response:
    """Return an answer in these pieces."""
    connection = Pieces(*pieces)
    try:
        return answer_on(connection, method)
    except BaseException:
        assert connection.closed, "a failed answer closes its connection"
        raise


# Framing ------------------------------------------------------------------------------------------

FRAMED = {
    "fixed length": b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n",
    "chunks with extensions and trailers": b"HTTP/1.1 200 OK\r\ntransfer-encoding:  Chunked\r\n\r\n"
    b'0006;name="a;b"\r\nhello \r\n5 ; x\r\nworld\r\n0\r\nExpires: never\r\nX: y\r\n\r\n',
    "until the end": b"HTTP/1.1 200 OK\r\n\r\nhello world",
    "HTTP/1.0": b"HTTP/1.0 200\r\nServer: old\r\n\r\nhello world",
    "after 100 Continue": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
    "chunked, which wins over a length": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"B\r\nhello world\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("data", FRAMED.values(), ids=FRAMED)
@settings(deadline=None)
@given(places=st.lists(st.integers(0, 1 << 16), max_size=8))
def test_a_body_is_read_with_any_framing_and_splitting(data: bytes, places: list[int]) -> None:
    assert response(*cut(data, places)).read() == b"hello world"


@pytest.mark.parametrize("data", FRAMED.values(), ids=FRAMED)
def test_a_body_is_read_byte_by_byte(data: bytes) -> None:
    assert response(*(bytes([byte]) for byte in data)).read() == b"hello world"


@pytest.mark.parametrize(
    ("status", "method"), [(204, "POST"), (304, "GET"), (200, "HEAD"), (101, "POST")]
)
def test_some_answers_have_no_body(status: int, method: str) -> None:
    head = f"HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n".encode()
    assert response(head, method=method).read() == b""


def test_headers_are_found_by_lower_case_name() -> None:
    head = b"HTTP/1.1 204 OK\r\nLibpod-API-Version: 4.3.1 \r\nX: 1\r\nx: 2\r\n\r\n"
    assert response(head).headers == {"libpod-api-version": "4.3.1", "x": "2"}


def test_an_empty_body_is_not_a_document() -> None:
    assert response(answer()).json(lambda found: found) is None


# Nonsense -----------------------------------------------------------------------------------------

NONSENSE = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "another protocol's first bytes": b"\x15\x03\x01\x00\x02",
    "a version that is none": b"HTTP/2.0 200 OK\r\n\r\n",
    "no status": b"HTTP/1.1\r\n\r\n",
    "a status that is not a number": b"HTTP/1.1 abc OK\r\n\r\n",
    "a status with a sign": b"HTTP/1.1 +20 OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "two lengths in one": b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
    "a length of digits that are not ASCII": b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\nhe",
    "a length of five thousand digits": b"HTTP/1.1 200 OK\r\nContent-Length: "
    + b"9" * 5000
    + b"\r\n\r\n",
    "a head without an end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
}


@pytest.mark.parametrize("data", NONSENSE.values(), ids=NONSENSE)
def test_an_invalid_head_is_a_lost_engine(data: bytes) -> None:
    with pytest.raises(EngineLostError, match="unix:///nowhere"):
        response(data)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BROKEN = {
    "a negative chunk": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    "a chunk size that is not a number": CHUNKED + b"hello\r\n",
    "a chunk size with a prefix": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk size with an underline": CHUNKED + b"0_5\r\nhello\r\n0\r\n\r\n",
    "no chunk size": CHUNKED + b"\r\nhello\r\n",
    "a chunk size of a million digits": CHUNKED + b"f" * 1_000_000,
    "a chunk larger than all that comes": CHUNKED + b"ffffffffffff\r\nhello",
    "a chunk longer than its size": CHUNKED + b"3\r\nhello\r\n0\r\n\r\n",
    "trailers without an end": CHUNKED + b"0\r\n" + b"X: y\r\n" * 20_000,
    "chunks that break off": CHUNKED + b"5\r\nhello\r\n",
    "chunks that break off in a size": CHUNKED + b"5\r\nhello\r\n1",
    "chunks without their last line": CHUNKED + b"5\r\nhello\r\n0\r\n",
    "a body shorter than its length": b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_an_invalid_body_is_a_lost_engine(data: bytes) -> None:
    found = response(data)
    with pytest.raises(EngineLostError, match="unix:///nowhere"):
        found.read()
    with pytest.raises(EngineLostError, match="closed"):
        found.hijack()


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_answer_is_a_different_error(data: bytes) -> None:
    with contextlib.suppress(EngineLostError):
        response(b"HTTP/1.1 200 OK\r\n" + data).json(lambda found: found)


class Endless(Pieces):
    """A connection that repeats one piece forever; reading too much of it is an error."""

    def __init__(self, start: bytes, rest: bytes) -> None:
        super().__init__(start)
        self._rest = rest
        self._left = 200

    def recv(self, size: int) -> bytes:
        self._left -= 1
        assert self._left, "too much was read"
        return super().recv(size) or self._rest * (size // len(self._rest))


@pytest.mark.parametrize(
    ("start", "rest"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
        (CHUNKED, b"1"),
        (CHUNKED + b"0\r\n", b"X: y\r\n"),
        (CHUNKED + b"0\r\n", b"X"),
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED + b"fffffffffffffff\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\n", b"x"),
    ],
)
def test_endless_answers_are_limited(
    monkeypatch: pytest.MonkeyPatch, start: bytes, rest: bytes
) -> None:
    monkeypatch.setattr(http_response, "ANSWER", 100_000)
    with pytest.raises(EngineLostError, match=r"without an end|MiB|a chunk of size"):
        answer_on(Endless(start, rest)).read()


@pytest.mark.parametrize(
    "body",
    [b"<html>", b'{"a":', b"\xff\xfe", b"[" * 100_000, b'{"Id": 3}', b"{}", b"[]", b'"Id"', b""],
)
def test_a_document_of_another_form_is_a_lost_engine(body: bytes) -> None:
    with pytest.raises(EngineLostError, match="not what was asked for"):
        response(answer(200, body)).json(lambda found: found["Id"].upper())


# Connections --------------------------------------------------------------------------------------


def test_a_connection_is_reused(serve: Serve) -> None:
    server = serve(always(answer(200, b"one"), answer_chunked(b"t", b"wo"), answer(204)))
    client = server.client()
    assert [client.request("GET", "/").read() for _ in range(3)] == [b"one", b"two", b""]
    assert server.connections == 1


@pytest.mark.parametrize(
    "last",
    [
        answer(200, b"x", {"Connection": "close"}),
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
        answer(200, b"x") + b"HTTP/1.1 ",
    ],
    ids=["Connection: close", "HTTP/1.0", "bytes out of turn"],
)
def test_a_connection_that_cannot_be_reused_is_closed(serve: Serve, last: bytes) -> None:
    server = serve(always(last))
    client = server.client()
    assert client.request("GET", "/").read() == b"x"
    assert client.request("GET", "/").read() == b"x"
    assert server.connections == 2


def test_a_connection_is_not_reused_before_its_body_is_read(serve: Serve) -> None:
    server = serve(always(answer(200, b"x")))
    client = server.client()
    first, second = client.request("GET", "/"), client.request("GET", "/")
    assert (first.read(), second.read(), server.connections) == (b"x", b"x", 2)


def test_an_unread_body_closes_its_connection(serve: Serve) -> None:
    heard: list[bytes] = []
    server = serve(hanging(answer_chunked(b"a", b"b"), heard=heard))
    chunks = server.client().request("GET", "/").chunks()
    assert next(chunks) == b"a"
    chunks.close()
    server.close()
    assert heard == [b""]


def test_a_closed_client_keeps_no_connection(serve: Serve) -> None:
    server = serve(always(answer(200, b"x")))
    client = server.client()
    busy = client.request("GET", "/")
    client.request("GET", "/").read()
    client.close()
    assert busy.read() == b"x"
    assert client.connections._idle == []


class Stale(Pieces):
    """An idle connection that the peer is just closing."""

    def __init__(self, *, sends: bool) -> None:
        super().__init__()
        self._sends = sends
        self._looked = False

    def recv(self, size: int) -> bytes:
        if not self._looked:
            self._looked = True
            raise BlockingIOError
        return super().recv(size)

    def send(self, data: bytes) -> int:
        if not self._sends:
            raise BrokenPipeError
        return len(data)

    def sendall(self, data: bytes) -> None:
        assert not data


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_idempotent_request_is_retried_on_a_stale_connection(serve: Serve, method: str) -> None:
    server = serve(always(answer()))
    client = server.client()
    client.connections._idle.append(cast("Connection", Stale(sends=True)))
    with contextlib.closing(client.request(method, "/")) as found:
        assert found.status == 200
    assert server.connections == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_non_idempotent_request_that_may_have_arrived_is_not_retried(
    serve: Serve, method: str
) -> None:
    server = serve(always(answer()))
    client = server.client()
    client.connections._idle.append(cast("Connection", Stale(sends=True)))
    with pytest.raises(EngineLostError):
        client.request(method, "/")
    assert server.connections == 0


def test_a_non_idempotent_request_that_was_not_sent_uses_a_new_connection(serve: Serve) -> None:
    server = serve(always(answer()))
    client = server.client()
    client.connections._idle.append(cast("Connection", Stale(sends=False)))
    client.request("POST", "/build", content=Content(data=iter([b"tar"]))).read()
    assert [request.body for request in server.requests] == [b"tar"]


def test_a_closed_idle_connection_is_not_used(serve: Serve) -> None:
    gone = threading.Event()

    def once(peer: Peer) -> None:
        peer.request()
        peer.say(answer(200, b"x"))
        peer.close()
        gone.set()

    server = serve(once, always(answer(200, b"y")))
    client = server.client()
    client.request("GET", "/").read()
    gone.wait(10)
    assert client.request("POST", "/").read() == b"y"


def test_a_lost_answer_to_a_non_idempotent_request_is_an_error(serve: Serve) -> None:
    server = serve(lambda peer: peer.request())
    with pytest.raises(EngineLostError, match="closed the connection"):
        server.client().request("POST", "/containers/create", content=json_content({}))
    assert len(server.requests) == 1


def test_many_threads_share_a_client(serve: Serve) -> None:
    def echo(peer: Peer) -> None:
        while True:
            peer.say(answer(200, peer.request().body))

    client = serve(echo).client()
    wrong = []

    def ask(number: int) -> None:
        for turn in range(20):
            body = f"{number}-{turn}".encode() * 1000
            if client.request("POST", "/", content=Content(data=body)).read() != body:
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# Requests -----------------------------------------------------------------------------------------


def test_a_request_with_all_its_parts(serve: Serve) -> None:
    server = serve(always(answer()))
    client = server.client("/v4.0.0/libpod")
    content = json_content({"a": "ü"})
    client.request(
        "POST",
        f"/images/{quote('localhost:5000/me/ü x:1')}/tag",
        query={"repo": "a&b=c d+ü/", "tag": ""},
        content=Content(data=content.data, headers={**content.headers, "X-Registry-Auth": "abc"}),
    ).read()
    (request,) = server.requests
    assert request.target == (
        "/v4.0.0/libpod/images/localhost:5000/me/%C3%BC%20x:1/tag?repo=a%26b%3Dc%20d%2B%C3%BC%2F&tag="
    )
    assert request.json == {"a": "ü"}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-registry-auth"] == "abc"


@settings(deadline=None)
@given(st.text())
def test_a_path_or_query_cannot_end_the_request_line(text: str) -> None:
    quoted = (quote(text) if text.isprintable() else "") + encode_query({text: text})
    assert quoted.isascii()
    assert quoted.isprintable()
    assert " " not in quoted


def test_a_file_name_that_is_not_text_is_sent_as_its_bytes() -> None:
    assert encode_query({"path": "/caf\udce9"}) == "path=%2Fcaf%E9"


def test_a_get_request_has_no_body(serve: Serve) -> None:
    server = serve(always(answer()))
    server.client().request("GET", "/").read()
    server.client().request("DELETE", "/").read()
    assert [request.headers.get("content-length") for request in server.requests] == [None, "0"]


def test_a_streamed_body_arrives_completely(serve: Serve) -> None:
    server = serve(always(answer()))
    pieces = [b"a" * 70_000, b"", memoryview(b"bc"), b"d"]
    client = server.client()
    client.request("POST", "/build", content=Content(data=iter(pieces))).read()  # type: ignore[arg-type]  # views are sent as well
    assert server.requests[0].body == b"a" * 70_000 + b"bcd"


def test_an_error_of_the_body_itself_passes_through(serve: Serve) -> None:
    heard: list[bytes] = []

    def listen(peer: Peer) -> None:
        peer.head()
        heard.append(peer.hear())

    server = serve(listen)

    def body() -> Iterator[bytes]:
        yield b"first"
        raise PermissionError(13, "not yours", "secret.txt")

    with pytest.raises(PermissionError, match=r"secret\.txt"):
        server.client().request("POST", "/build", content=Content(data=body()))
    server.close()
    assert heard == [b"5\r\nfirst\r\n"], "the engine sees that the body has no end"


def test_a_lost_engine_error_of_the_body_passes_through(serve: Serve) -> None:
    server = serve(lambda peer: (peer.head(), peer.hear()))

    def body() -> Iterator[bytes]:
        yield b"first"
        raise EngineLostError("the other engine")

    with pytest.raises(EngineLostError, match="the other engine"):
        server.client().request("POST", "/build", content=Content(data=body()))


@pytest.mark.parametrize("reused", [False, True])
@pytest.mark.parametrize(
    "said",
    [
        answer_json({"message": "no such Containerfile"}, 400),
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nno such Containerfile",
    ],
    ids=["fixed length", "until the end"],
)
def test_an_early_refusal_of_a_body_is_read(serve: Serve, said: bytes, *, reused: bool) -> None:
    closed = threading.Event()

    def refuse(peer: Peer) -> None:
        if reused:
            peer.request()
            peer.say(answer())
        peer.head()
        peer.say(said)
        peer.close()
        closed.set()

    server = serve(refuse)
    client = server.client()
    if reused:
        client.request("GET", "/_ping").read()

    def body() -> Iterator[bytes]:
        yield b"first"
        closed.wait(10)
        while True:
            yield b"x" * 65536

    with pytest.raises(EngineError, match="no such Containerfile") as caught:
        client.request("POST", "/build", content=Content(data=body()))
    assert caught.value.status == 400
    assert server.connections == 1
    assert client.connections._idle == []


def test_an_engine_that_disappears_during_a_body_is_lost(serve: Serve) -> None:
    closed = threading.Event()

    def leave(peer: Peer) -> None:
        peer.head()
        peer.close()
        closed.set()

    def body() -> Iterator[bytes]:
        yield b"first"
        closed.wait(10)
        while True:
            yield b"x" * 65536

    with pytest.raises(EngineLostError, match="closed the connection: "):
        serve(leave).client().request("POST", "/build", content=Content(data=body()))


def test_an_upgraded_connection_includes_early_bytes(serve: Serve) -> None:
    def upgrade(peer: Peer) -> None:
        request = peer.request()
        assert request.headers["upgrade"] == "tcp"
        peer.say(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly")
        peer.say(peer.hear()[::-1])

    connection, early = serve(upgrade).client().upgrade("/attach").hijack()
    connection.sendall(b"olleh")
    connection.shutdown(socket.SHUT_WR)
    while data := connection.recv(100):
        early += data
    connection.close()
    assert early == b"earlyhello"


# Refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message": "no such container"}', "no such container"),
        (b'{"cause": "no such layer", "message": "", "response": 500}', "no such layer"),
        (b'{"cause": "c", "message": "whole text", "response": 500}', "whole text"),
        (b'{"message": {"strange": 1}}', "{'strange': 1}"),
        (b"plain text\n", "plain text"),
        (b"[1, 2]", "[1, 2]"),
        (b"[" * 50_000, f"{'[' * 1000} […] {'[' * 3000}"),
        (b"\xff\xfe", "��"),
        (b"", ""),
    ],
)
def test_a_refusal_quotes_the_engine(serve: Serve, body: bytes, message: str) -> None:
    client = serve(always(answer(500, body), answer(200, b"next"))).client()
    with pytest.raises(EngineError) as caught:
        client.request("GET", "/x")
    assert (caught.value.status, caught.value.message) == (500, message)
    assert (message or "500") in caught.value.what
    assert client.request("GET", "/x").read() == b"next"


def test_an_endless_refusal_is_truncated(serve: Serve) -> None:
    def endless(peer: Peer) -> None:
        peer.request()
        peer.say(b"HTTP/1.1 500 X\r\n\r\n")
        for _ in range(1000):
            peer.say(b"x" * 65536)
        pytest.fail("the client has read 64 MB")

    with pytest.raises(EngineError) as caught:
        serve(endless).client().request("GET", "/x")
    assert caught.value.message == f"{'x' * 1000} […] {'x' * 3000}"


def test_a_truncated_refusal_keeps_its_beginning(serve: Serve) -> None:
    server = serve(always(b"HTTP/1.1 409 X\r\nContent-Length: 99\r\n\r\nin use"))
    with pytest.raises(EngineError, match="in use"):
        server.client().request("GET", "/x", seconds=0.05)


PANIC = answer(
    500, b'{"cause": "runtime error: invalid memory address or nil pointer dereference"}'
)


def test_an_idempotent_request_is_retried_after_a_panic(serve: Serve) -> None:
    client = serve(always(PANIC, PANIC, answer(200, b"found"))).client()
    assert client.request("GET", "/x").read() == b"found"


def test_a_list_that_fails_during_a_removal_is_retried(
    serve: Serve,
) -> None:
    words = b"determining buildah container for container 1f: container not known"
    refused = answer(500, b'{"cause": "container not known", "message": "%b"}' % words)
    client = serve(always(refused, refused, answer(200, b"[]"))).client()
    assert client.request("GET", "/containers/json").read() == b"[]"


def test_a_missing_object_is_not_requested_again(serve: Serve) -> None:
    gone = answer(404, b'{"message": "image not known"}')
    client = serve(always(gone, answer(200, b"next"))).client()
    with pytest.raises(EngineError, match="image not known"):
        client.request("GET", "/x")
    assert client.request("GET", "/x").read() == b"next"


def test_a_persistent_panic_is_reported(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "_PASSING_PAUSE_SECONDS", 0)
    client = serve(always(*[PANIC] * 5, answer(200, b"next"))).client()
    with pytest.raises(EngineError, match="runtime error"):
        client.request("GET", "/x")
    assert client.request("GET", "/x").read() == b"next"


def test_a_non_idempotent_request_is_not_retried_after_a_panic(serve: Serve) -> None:
    client = serve(always(PANIC, answer(200, b"next"))).client()
    with pytest.raises(EngineError, match="runtime error"):
        client.request("POST", "/x")
    assert client.request("GET", "/x").read() == b"next"


def test_an_accepted_status_is_not_a_refusal(serve: Serve) -> None:
    found = serve(always(answer(404))).client().request("GET", "/x", ok=(200, 404))
    assert (found.status, found.read()) == (404, b"")


# Silence ------------------------------------------------------------------------------------------


def test_an_address_without_a_listener_is_unavailable() -> None:
    nowhere = Client(Endpoint(url="unix:///nowhere", path="/nowhere"))
    with pytest.raises(EngineUnavailableError, match="cannot be reached: No such file"):
        nowhere.request("GET", "/")


def test_a_stale_socket_is_unavailable(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = str(tmp_path_factory.mktemp("s") / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
    with pytest.raises(EngineUnavailableError, match="refused"):
        Client(Endpoint(url=path, path=path)).request("GET", "/")


def test_a_listener_that_never_accepts_times_out(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = str(tmp_path_factory.mktemp("s") / "s")
    endpoint = Endpoint(url=path, path=path)
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as queue:
        listener.bind(path)
        listener.listen(0)
        # Connections in the queue wait for an answer, others wait for the queue.
        with pytest.raises(EngineUnavailableError, match="does not answer"):
            Client(endpoint).request("GET", "/", seconds=0.05)
        with contextlib.suppress(TimeoutError, BlockingIOError):
            for _ in range(10):
                queue.callback(endpoint.connect(0.05).close)
        with pytest.raises(EngineUnavailableError, match="cannot be reached"):
            Client(endpoint).request("GET", "/", seconds=0.05)


def test_an_engine_that_never_answers_times_out(serve: Serve) -> None:
    with pytest.raises(EngineUnavailableError, match="does not answer"):
        serve(Peer.hear).client().request("POST", "/", seconds=0.05)


def test_another_protocol_is_reported_at_once(serve: Serve) -> None:
    def greet(peer: Peer) -> None:
        peer.say(b"SSH-2.0-OpenSSH_9.2\r\n")
        peer.hear()

    with pytest.raises(EngineLostError, match=r"SSH-2\.0.*which is not HTTP"):
        serve(greet).client().request("GET", "/", seconds=60)


def test_an_endless_head_is_an_error(serve: Serve) -> None:
    def dribble(peer: Peer) -> None:
        peer.say(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            peer.say(b"y")
            peer.socket.settimeout(0.01)
            with contextlib.suppress(TimeoutError):
                if not peer.socket.recv(1000):
                    raise Hangup

    with pytest.raises(EngineUnavailableError, match="does not answer"):
        serve(dribble).client().request("GET", "/", seconds=0.1)


def test_a_late_head_times_out() -> None:
    connection = Pieces(b"HTTP/1.1 200 OK\r\n", b"\r\n")
    with pytest.raises(EngineUnavailableError, match="does not answer"):
        answer_on(connection, deadline=0.0)
    assert connection.closed


def test_an_engine_that_does_not_read_a_body_times_out(serve: Serve) -> None:
    release = threading.Event()
    server = serve(lambda _: release.wait(10))
    with pytest.raises(EngineUnavailableError, match="does not answer"):
        server.client().request(
            "PUT", "/archive", content=Content(data=b"x" * (1 << 22)), seconds=0.05
        )
    release.set()


def test_an_engine_that_falls_silent_in_a_body_times_out(serve: Serve) -> None:
    server = serve(hanging(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"))
    with pytest.raises(EngineUnavailableError, match="does not answer"):
        server.client().request("GET", "/", seconds=0.05).read()


def test_closing_from_another_thread_ends_a_read(serve: Serve) -> None:
    reading = threading.Event()
    server = serve(hanging(b"HTTP/1.1 200 OK\r\n\r\nx"))
    found = server.client().request("GET", "/", seconds=None)
    outcome: list[object] = []

    def read() -> None:
        try:
            for chunk in found.chunks():
                outcome.append(chunk)
                reading.set()
        except EngineLostError as error:
            outcome.append(type(error))

    thread = threading.Thread(target=read)
    thread.start()
    reading.wait(10)
    found.close()
    thread.join(10)
    assert outcome == [b"x", EngineLostError]


@pytest.mark.parametrize("url", ["tcp://a..b:1", "tcp://\0:1"])
def test_an_invalid_host_name_is_an_unavailable_engine(url: str) -> None:
    host = url.removeprefix("tcp://").removesuffix(":1")
    with pytest.raises(EngineUnavailableError, match="cannot be reached"):
        Client(Endpoint(url=url, host=host, port=1)).request("GET", "/")


def test_bodies_are_valid_json() -> None:
    assert json.loads(answer_json({"a": [1]}).partition(b"\r\n\r\n")[2]) == {"a": [1]}
