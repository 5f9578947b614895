"""Engines over plain TCP: no logins, build secrets and proxy passwords are sent unless the user allows it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from buildr.engines.plaintext import VARIABLE, allow_plaintext
from buildr.engines.records import BuildRequest, EngineInfo, PushRequest
from buildr.errors import OptionError
from buildr_backends.docker import engine as docker_backend
from buildr_backends.http.client import Client
from buildr_backends.podman import engine as podman_backend
from tests.unit.backends.engines import PREFIX, REAL
from tests.unit.backends.server import answer, answer_json, answer_stream, routes
from tests.unit.backends.test_tls import PEM, server_side

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.backends.conftest import Serve

ENGINES = pytest.mark.parametrize("name", ["podman", "docker"])
HOST = "registry.example.org"
REFERENCE = f"{HOST}/me/hello:1"
PUSH = PushRequest(image="sha256:" + "a" * 64, reference=REFERENCE)


@pytest.fixture(autouse=True)
def login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(VARIABLE, "")  # so that it is restored
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".docker").mkdir()
    auth = base64.b64encode(b"me:opens-sesame").decode()
    document = {"auths": {HOST: {"auth": auth}}}
    (tmp_path / ".docker/config.json").write_text(json.dumps(document))


def over(name: str, serve: Serve, *, tls: bool) -> tuple[Any, Any]:
    """Return an engine over TCP, and its server."""
    table = {
        "GET .*/images/.*/json": answer_json(REAL[name]["image"]),
        "POST .*/tag": answer(201),
        "POST .*": answer_stream({"status": "x"}),
    }
    server = serve(routes(table), tls=server_side())
    endpoint = replace(server.endpoint, tls=tls, tls_directory=str(PEM) if tls else "")
    info = EngineInfo(
        backend=name,
        version="x",
        rootless=False,
        remote=True,
        endpoint=endpoint.url,
        found="",
        plaintext=endpoint.plaintext,
    )
    kind = podman_backend.Podman if name == "podman" else docker_backend.Docker
    return kind(Client(endpoint, PREFIX[name]), info), server


@ENGINES
def test_a_login_is_not_sent_over_plain_tcp(name: str, serve: Serve) -> None:
    backend, server = over(name, serve, tls=False)
    with pytest.raises(OptionError, match=f"plain TCP: the login for {HOST}") as caught:
        backend.pull(REFERENCE, lambda _: None)
    assert "--insecure-engine" in caught.value.hint
    assert server.requests == []


@ENGINES
def test_a_login_is_sent_over_tls(name: str, serve: Serve) -> None:
    backend, server = over(name, serve, tls=True)
    backend.pull(REFERENCE, lambda _: None)
    backend.push(PUSH, lambda _: None)
    backend.close()
    assert all("x-registry-auth" in one.headers for one in server.requests if "push" in one.path)


@ENGINES
def test_the_user_can_allow_plain_tcp(name: str, serve: Serve) -> None:
    backend, _ = over(name, serve, tls=False)
    allow_plaintext()
    # The server speaks TLS, so there is a connection error, not our refusal.
    with pytest.raises(Exception, match=r"engine|answered") as caught:
        backend.pull(REFERENCE, lambda _: None)
    assert not isinstance(caught.value, OptionError)


@ENGINES
def test_the_password_of_a_proxy_is_not_sent_over_plain_tcp(
    name: str, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend, server = over(name, serve, tls=False)
    proxies = {"HTTP_PROXY": "http://me:word@proxy.example.org:3128"}
    monkeypatch.setattr("buildr.host.proxies.build_proxies", lambda *_, **__: proxies)
    with pytest.raises(OptionError, match="the password of a proxy"):
        backend.build(BuildRequest(context=[b""], containerfile="x"), lambda _: None)
    assert server.requests == []
