"""Docker over TCP with TLS, as ``DOCKER_TLS_VERIFY`` and contexts ask for it.

The authority and the certificates in ``tests/data/tls`` serve these tests only, and nothing else trusts them.
"""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from msgspec.structs import replace

from buildr.engines.records import Target
from buildr.errors import EngineLostError, EngineUnavailableError
from buildr_backends.http.client import Client
from buildr_backends.http.request import Content
from buildr_backends.http.tls import TlsConnection
from buildr_backends.podman import engine as podman
from buildr_backends.shared.attach import attach
from tests.unit.backends.engines import REAL
from tests.unit.backends.server import (
    Peer,
    always,
    answer,
    answer_chunked,
    answer_json,
    hanging,
    routes,
)
from tests.unit.backends.test_attach import everything, in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.backends.conftest import Serve

PEM = Path(__file__).parents[2] / "data/tls"


def server_side(*, ask: bool = True) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(PEM / "ca.pem"))
    context.load_cert_chain(PEM / "server.pem")
    context.verify_mode = ssl.CERT_REQUIRED if ask else ssl.CERT_NONE
    return context


def client_of(
    serve: Serve,
    script: Callable[[Peer], object],
    *,
    ask: bool = True,
    verify: bool = True,
    directory: Path = PEM,
) -> Client:
    endpoint = serve(script, tls=server_side(ask=ask)).endpoint
    return Client(replace(endpoint, tls=True, tls_verify=verify, tls_directory=str(directory)))


def directory_with(tmp_path: Path, **files: str) -> Path:
    for name, source in files.items():
        shutil.copy(PEM / f"{source}.pem", tmp_path / f"{name}.pem")
    return tmp_path


def test_both_sides_authenticate_and_reuse_the_connection(serve: Serve) -> None:
    client = client_of(serve, always(answer(200, b"one"), answer_chunked(b"x" * 300_000, b"y")))
    assert client.request("GET", "/_ping").read() == b"one"
    (kept,) = client.connections._idle
    assert (
        client.request("POST", "/", content=Content(data=[b"z" * 300_000])).read()
        == b"x" * 300_000 + b"y"
    )
    assert client.connections._idle == [kept]
    client.close()


def test_podman_uses_the_tls_files_of_its_connection(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    pong = answer(200, b"OK", REAL["podman"]["ping"])
    info = answer_json({"host": {"kernel": "6.1"}, "store": {}})
    server = serve(routes({".*/_ping": pong, ".*/info": info}), tls=server_side())
    monkeypatch.setenv("CONTAINER_HOST", server.endpoint.url)
    for name in ("ca", "cert", "key"):
        monkeypatch.setenv(f"CONTAINER_TLS_{name.upper()}", str(PEM / f"{name}.pem"))
    backend = podman.connect(Target())
    assert backend.details().kernel == "6.1"
    backend.close()


def test_an_engine_with_an_untrusted_certificate_is_refused(serve: Serve, tmp_path: Path) -> None:
    directory = directory_with(tmp_path, ca="stranger", cert="cert", key="key")
    client = client_of(serve, always(answer()), directory=directory)
    with pytest.raises(EngineUnavailableError, match=r"(?i)certificate.verify.failed"):
        client.request("GET", "/_ping")


def test_the_user_can_disable_verification(serve: Serve, tmp_path: Path) -> None:
    directory = directory_with(tmp_path, cert="cert", key="key")
    client = client_of(serve, always(answer(200, b"x")), verify=False, directory=directory)
    assert client.request("GET", "/_ping").read() == b"x"
    client.close()


def test_a_client_certificate_is_optional(serve: Serve, tmp_path: Path) -> None:
    directory = directory_with(tmp_path, ca="ca")
    client = client_of(serve, always(answer(200, b"x")), ask=False, directory=directory)
    assert client.request("GET", "/_ping").read() == b"x"
    client.close()


def test_a_required_client_certificate_is_reported(serve: Serve, tmp_path: Path) -> None:
    client = client_of(serve, always(answer()), directory=directory_with(tmp_path, ca="ca"))
    with pytest.raises((EngineUnavailableError, EngineLostError)):
        client.request("GET", "/_ping")


def test_an_invalid_certificate_is_reported(serve: Serve, tmp_path: Path) -> None:
    for name in ("ca", "cert", "key"):
        (tmp_path / f"{name}.pem").write_text("none")
    client = client_of(serve, always(answer()), directory=tmp_path)
    with pytest.raises(EngineUnavailableError, match="cannot be reached"):
        client.request("GET", "/_ping")


def test_an_engine_without_tls_is_recognized(serve: Serve) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def plain() -> None:
        connection, _ = listener.accept()
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        connection.recv(1000)
        connection.close()

    thread = threading.Thread(target=plain)
    thread.start()
    endpoint = replace(
        serve(always(answer()), tls=server_side()).endpoint,
        port=listener.getsockname()[1],
        tls=True,
        tls_directory=str(PEM),
    )
    with pytest.raises(EngineUnavailableError, match="cannot be reached"):
        Client(endpoint).request("GET", "/_ping")
    thread.join(10)
    listener.close()


def test_a_silent_engine_times_out(serve: Serve) -> None:
    client = client_of(serve, Peer.hear)
    with pytest.raises(EngineUnavailableError, match="does not answer"):
        client.request("GET", "/_ping", seconds=0.3)


def test_an_engine_that_stops_reading_times_out(serve: Serve) -> None:
    release = threading.Event()
    client = client_of(serve, lambda _: release.wait(10))
    with pytest.raises(EngineUnavailableError, match="does not answer"):
        client.request("PUT", "/", content=Content(data=b"x" * (1 << 24)), seconds=0.5)
    release.set()


UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n"


def test_input_can_end_before_output(serve: Serve) -> None:
    def echo(peer: Peer) -> None:
        peer.request()
        peer.say(UPGRADED, b"first ")
        peer.say(peer.hear().upper())

    streams = attach(client_of(serve, echo), "/attach", tty=True)
    streams.write(b"abc" * 50_000)
    streams.close_write()
    assert b"".join(data for _, data in everything(streams)) == b"first " + b"ABC" * 50_000
    streams.close()


def test_one_thread_reads_while_another_writes(serve: Serve) -> None:
    def echo(peer: Peer) -> None:
        peer.request()
        peer.say(UPGRADED)
        while data := peer.socket.recv(65536):
            peer.say(data)

    streams = attach(client_of(serve, echo), "/attach", tty=True)
    thread, found = in_thread(streams)
    sent = [bytes([number]) * 10_000 for number in range(100)]
    for piece in sent:
        streams.write(piece)
    streams.close_write()
    thread.join(10)
    output = cast("list[tuple[int, bytes]]", found)
    assert b"".join(data for _, data in output) == b"".join(sent)
    streams.close()


def test_closing_wakes_a_reader_in_another_thread(serve: Serve) -> None:
    streams = attach(client_of(serve, hanging(UPGRADED)), "/attach", tty=True)
    thread, found = in_thread(streams)
    streams.close()
    thread.join(10)
    assert not thread.is_alive()
    assert isinstance(found[0], EngineLostError)


def test_a_closed_connection_is_an_os_error(serve: Serve) -> None:
    client = client_of(serve, always(answer()))
    connection = client.endpoint.connect(10)
    assert isinstance(connection, TlsConnection)
    connection.close()
    connection.close()
    with pytest.raises(OSError, match=r"closed|descriptor"):
        connection.recv(1)
    with pytest.raises(OSError, match=r"closed|descriptor"):
        connection.sendall(b"x")
