"""Documents beside a pushed image: what a registry is sent, with which login, and where a login never goes."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from buildr.engines.artifact import Artifact
from buildr.errors import PushError
from buildr_backends.shared.referrers import add_referrer, digest_in_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE = b'{"schemaVersion": 2}'
DIGEST = f"sha256:{hashlib.sha256(IMAGE).hexdigest()}"
KIND = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT = Artifact(kind="application/vnd.in-toto+json", name="provenance.json", data=b'{"a": 1}')
WORD = "open-sesame"
LIST = f"manifests/{DIGEST.replace(':', '-')}"


class FakeRegistry:
    """A registry with one image, ``me/app``.

    Attributes:
        kept: what was stored, by its path below the repository.
        seen: method, path and Authorization of each request.
        challenge: what it asks for, if for anything.
        token: which it wants then.
        knows_referrers: whether it says so.
        elsewhere: where it has blobs sent.
    """

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {f"manifests/{DIGEST}": IMAGE}
        self.seen: list[tuple[str, str, str]] = []
        self.challenge = ""
        self.token = ""
        self.knows_referrers = False
        self.elsewhere = ""
        self.answers: dict[tuple[str, str], tuple[int, dict[str, str], bytes]] = {}
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one(self) -> None:
                registry.handle(self)

            do_GET = do_HEAD = do_POST = do_PUT = handle_one  # noqa: N815 - names of http.server

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def reference(self) -> str:
        return f"{self.host}/me/app:1.0"

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        path = request.path.removeprefix("/v2/me/app/")
        given = request.headers.get("Authorization", "")
        self.seen.append((request.command, path, given))
        status, headers, data = self.answer(request.command, path, given, body)
        request.send_response(status)
        for name, text in {**headers, "Content-Length": str(len(data))}.items():
            request.send_header(name, text)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(data)

    def answer(  # noqa: PLR0911 - one for each kind of request
        self, method: str, path: str, given: str, body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        if (method, path) in self.answers:
            return self.answers[method, path]
        if path.startswith("/token"):
            return 200, {}, json.dumps({"token": self.token}).encode()
        if self.challenge and given not in (self.token, f"Bearer {self.token}"):
            error = {"errors": [{"code": "UNAUTHORIZED", "message": "who\x1b[31m are you"}]}
            return 401, {"WWW-Authenticate": self.challenge}, json.dumps(error).encode()
        if method == "POST":
            place = f"{self.elsewhere}/v2/me/app/blobs/uploads/one?state=x"
            return 202, {"Location": place}, b""
        if method == "PUT" and path.startswith("blobs/uploads/one?state=x&digest=sha256%3A"):
            self.kept[f"blobs/sha256:{path.rpartition('%3A')[2]}"] = body
            return 201, {}, b""
        if method == "PUT":
            self.kept[path] = body
            return 201, {"OCI-Subject": DIGEST} if self.knows_referrers else {}, b""
        if path in self.kept:
            return 200, {"Content-Type": f"{KIND}; charset=utf-8"}, self.kept[path]
        return 404, {}, b""

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    made = FakeRegistry()
    yield made
    made.close()


@pytest.fixture
def other() -> Iterator[FakeRegistry]:
    made = FakeRegistry()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # not for a registry of this machine
    return tmp_path


def log_in(home: Path, host: str, row: dict[str, str] | None = None) -> None:
    (home / ".docker").mkdir()
    login = base64.b64encode(f"me:{WORD}".encode()).decode()
    table = {"auths": {host: row or {"auth": login}}}
    (home / ".docker/config.json").write_text(json.dumps(table))


def add(registry: FakeRegistry, digest: str = DIGEST) -> str:
    return add_referrer(registry.reference, digest, ARTIFACT, podman=False)


def test_the_artifact_names_the_image_as_its_subject(registry: FakeRegistry) -> None:
    registry.knows_referrers = True
    digest = add(registry)
    manifest = json.loads(registry.kept[f"manifests/{digest}"])
    assert manifest["subject"] == {"mediaType": KIND, "digest": DIGEST, "size": len(IMAGE)}
    assert manifest["artifactType"] == ARTIFACT.kind
    (layer,) = manifest["layers"]
    assert registry.kept[f"blobs/{layer['digest']}"] == ARTIFACT.data
    assert layer["annotations"] == {"org.opencontainers.image.title": "provenance.json"}
    assert registry.kept[f"blobs/{manifest['config']['digest']}"] == b"{}"
    assert LIST not in registry.kept


def test_a_registry_that_knows_no_referrers_gets_a_list(registry: FakeRegistry) -> None:
    first = add(registry)
    assert add(registry) == first  # adding it again adds no row
    second = add_referrer(
        registry.reference, DIGEST, Artifact(kind="x/y", name="b", data=b"b"), podman=True
    )
    index = json.loads(registry.kept[LIST])
    assert [(row["digest"], row["artifactType"]) for row in index["manifests"]] == [
        (first, ARTIFACT.kind),
        (second, "x/y"),
    ]
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"


def test_what_is_no_list_under_its_tag_stays(registry: FakeRegistry) -> None:
    registry.kept[LIST] = b'{"layers": []}'
    with pytest.raises(PushError, match="not a list of referrers"):
        add(registry)
    assert registry.kept[LIST] == b'{"layers": []}'


def test_a_blob_that_is_there_is_not_sent_again(registry: FakeRegistry) -> None:
    add(registry)
    registry.seen.clear()
    add(registry)
    assert [path for method, path, _ in registry.seen if method == "POST"] == []


def test_the_login_is_used_when_it_is_asked_for(registry: FakeRegistry, home: Path) -> None:
    log_in(home, registry.host)
    registry.challenge = 'Basic realm="x"'
    registry.token = "Basic " + base64.b64encode(f"me:{WORD}".encode()).decode()
    add(registry)
    assert registry.seen[0][2] == ""
    assert {given for _, _, given in registry.seen[1:]} == {registry.token}


@pytest.mark.parametrize("row", [None, {"identitytoken": WORD}])
def test_a_token_is_fetched_for_the_login(
    registry: FakeRegistry, home: Path, row: dict[str, str] | None
) -> None:
    log_in(home, registry.host, row)
    registry.token = "of-the-token-service"  # noqa: S105 - of this test
    registry.challenge = f'Bearer realm="http://{registry.host}/token",service="s",scope="repository:me/app:pull,push"'
    add(registry)
    ((method, path, given),) = [row for row in registry.seen if row[1].startswith("/token")]
    if row is None:
        assert (method, "scope=repository%3Ame%2Fapp%3Apull%2Cpush" in path) == ("GET", True)
        assert given.startswith("Basic ")
    else:
        assert (method, path, given) == ("POST", "/token", "")


def test_a_login_does_not_go_to_another_host(
    registry: FakeRegistry, other: FakeRegistry, home: Path
) -> None:
    log_in(home, registry.host)
    registry.challenge = 'Basic realm="x"'
    registry.token = "Basic " + base64.b64encode(f"me:{WORD}".encode()).decode()
    registry.elsewhere = f"http://{other.host}"
    add(registry)
    assert other.seen
    assert {given for _, _, given in other.seen} == {""}


def test_a_redirection_is_not_followed(
    registry: FakeRegistry, other: FakeRegistry, home: Path
) -> None:
    log_in(home, registry.host)
    there = {"Location": f"http://{other.host}/"}
    registry.answers["GET", f"manifests/{DIGEST}"] = (307, there, b"")
    with pytest.raises(PushError, match="answered 307"):
        add(registry)
    assert other.seen == []


@pytest.mark.parametrize(
    "place", ["http://192.0.2.1/blobs", "file:///etc/passwd", "ftp://127.0.0.1/x"]
)
def test_nothing_is_sent_without_tls_to_another_machine(registry: FakeRegistry, place: str) -> None:
    registry.answers["POST", "blobs/uploads/"] = (202, {"Location": place}, b"")
    with pytest.raises(PushError, match="not reached over TLS"):
        add(registry)


def test_a_refusal_is_told_in_one_line_without_the_login(
    registry: FakeRegistry, home: Path
) -> None:
    log_in(home, registry.host)
    registry.challenge = 'Basic realm="x"'
    registry.token = "another"  # noqa: S105 - a test's own
    with pytest.raises(PushError, match=r"answered 401 UNAUTHORIZED: who \[31m are you") as error:
        add(registry)
    assert WORD not in f"{error.value.what}{error.value.hint}"


def test_an_image_that_is_not_there_is_an_error(registry: FakeRegistry) -> None:
    with pytest.raises(PushError, match="does not have sha256:"):
        add(registry, f"sha256:{'0' * 64}")
    registry.kept[f"manifests/{DIGEST}"] = b"another"
    with pytest.raises(PushError, match="does not have sha256:"):
        add(registry)


def test_a_registry_that_is_not_there_is_an_error() -> None:
    gone = FakeRegistry()
    gone.close()
    with pytest.raises(PushError, match="refused"):
        add(gone)


def test_the_digest_of_what_was_pushed_is_that_of_its_tag_if_it_is_the_image(
    registry: FakeRegistry,
) -> None:
    manifest = json.dumps({"config": {"digest": "sha256:of-it"}}).encode()
    registry.kept["manifests/1.0"] = manifest
    expected = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    for image, digest in (("sha256:of-it", expected), ("sha256:another", "")):
        assert digest_in_registry(registry.reference, image, podman=True) == digest
    registry.kept["manifests/1.0"] = b"[]"
    assert digest_in_registry(registry.reference, "sha256:of-it", podman=True) == ""
    assert digest_in_registry(f"{registry.host}/me/other", "sha256:of-it", podman=True) == ""
