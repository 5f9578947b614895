"""The places and precedence of logins, in every format of ``podman login`` and ``docker login``."""

from __future__ import annotations

import base64
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from buildr_backends.shared.credentials import authorization, credentials, login_files

if TYPE_CHECKING:
    from pathlib import Path

REFERENCE = "registry.example.org:5000/me/team/hello:1.0"
HOST = "registry.example.org:5000"
WORD = "opens: sesame"


def auth(user: str, password: str = WORD) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


class Home:
    """A home with login files."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.monkeypatch = monkeypatch
        for name in ("REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(path))
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(path / "run"))
        self.podman = path / "run/containers/auth.json"
        self.podman_kept = path / ".config/containers/auth.json"
        self.docker = path / ".docker/config.json"

    def write(self, file: Path, table: object) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(table if isinstance(table, str) else json.dumps(table))

    def helper(self, name: str, known: dict[str, Any]) -> Path:
        """Put a credential helper on PATH; return the file that records its requests."""
        asked = self.path / f"asked-{name}"
        program = self.path / "bin" / f"docker-credential-{name}"
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            f"#!{sys.executable}\n"
            "import json, sys\n"
            "server = sys.stdin.read()\n"
            f"with open({str(asked)!r}, 'a') as file:\n"
            "    print(sys.argv[1], server, file=file)\n"
            f"found = {known!r}.get(server)\n"
            "if found is None:\n"
            "    sys.exit('credentials not found in native keychain')\n"
            "print(found if isinstance(found, str) else json.dumps(found))\n"
        )
        program.chmod(0o755)
        self.monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        return asked


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(tmp_path, monkeypatch)


def user(reference: str = REFERENCE, *, podman: bool = True) -> str | None:
    found = credentials(reference, podman=podman)
    return None if found is None else found.get("username") or found["identitytoken"]


# Files --------------------------------------------------------------------------------------------


def test_without_a_login_there_are_no_credentials(home: Home) -> None:
    assert not home.docker.exists()
    assert credentials(REFERENCE, podman=True) is None
    assert authorization(REFERENCE, podman=True) == {}


def test_the_order_of_podman(home: Home) -> None:
    config = home.path / ".config/containers/auth.json"
    assert list(login_files(podman=True)) == [
        f"{home.path}/run/containers/auth.json",
        f"/run/containers/{os.geteuid()}/auth.json",
        str(config),
        f"{home.path}/.docker/config.json",
    ]


def test_the_order_of_docker(home: Home) -> None:
    assert list(login_files(podman=False)) == [
        f"{home.path}/.docker/config.json",
        *list(login_files(podman=True))[:3],
    ]


def test_podman_reads_only_a_named_file(home: Home) -> None:
    home.monkeypatch.setenv("REGISTRY_AUTH_FILE", "/named.json")
    assert list(login_files(podman=True)) == ["/named.json"]
    assert list(login_files(podman=False)) == [f"{home.path}/.docker/config.json", "/named.json"]


def test_directories_named_by_variables_are_used(home: Home) -> None:
    home.monkeypatch.setenv("DOCKER_CONFIG", "/docker")
    home.monkeypatch.setenv("XDG_CONFIG_HOME", "/config")
    home.monkeypatch.delenv("XDG_RUNTIME_DIR")
    uid = os.geteuid()
    assert list(login_files(podman=True)) == [
        f"/run/user/{uid}/containers/auth.json",
        f"/run/containers/{uid}/auth.json",
        "/config/containers/auth.json",
        "/docker/config.json",
    ]


def test_each_engine_prefers_its_own_login(home: Home) -> None:
    home.write(home.podman, {"auths": {HOST: auth("of-podman")}})
    home.write(home.docker, {"auths": {HOST: auth("of-docker")}})
    assert (user(podman=True), user(podman=False)) == ("of-podman", "of-docker")


@pytest.mark.parametrize("podman", [True, False])
def test_a_login_of_the_other_engine_is_used_too(home: Home, *, podman: bool) -> None:
    file = home.docker if podman else home.podman_kept
    home.write(file, {"auths": {HOST: auth("me")}})
    assert user(podman=podman) == "me"


def test_a_login_for_another_registry_does_not_hide_the_next_file(home: Home) -> None:
    home.write(home.podman, {"auths": {"elsewhere.example.org": auth("stranger")}})
    home.write(home.podman_kept, {"auths": {HOST: auth("me")}})
    assert user() == "me"


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "{",
        "[]",
        "null",
        "\x00\xff",
        '{"auths": []}',
        '{"auths": null, "credHelpers": 7, "credsStore": {}}',
        '{"auths": {"registry.example.org:5000": "text"}}',
        '{"auths": {"registry.example.org:5000": {}}}',
        '{"auths": {"registry.example.org:5000": {"auth": ""}}}',
        '{"auths": {"registry.example.org:5000": {"auth": 7}}}',
        '{"auths": {"registry.example.org:5000": {"auth": "%%%"}}}',
        '{"auths": {"registry.example.org:5000": {"auth": "/////w=="}}}',
        '{"auths": {"registry.example.org:5000": {"identitytoken": 7}}}',
        '{"credHelpers": {"registry.example.org:5000": 7}}',
        "[" * 100_000,
    ],
)
def test_a_broken_file_is_skipped(home: Home, broken: str) -> None:
    home.write(home.podman, broken)
    home.write(home.docker, {"auths": {HOST: auth("me")}})
    assert user() == "me"


def test_a_directory_in_place_of_a_file_is_skipped(home: Home) -> None:
    home.podman.mkdir(parents=True)
    home.write(home.docker, {"auths": {HOST: auth("me")}})
    assert user() == "me"


# Forms --------------------------------------------------------------------------------------------


def test_a_password_may_contain_a_colon(home: Home) -> None:
    home.write(home.podman, {"auths": {HOST: auth("me")}})
    assert credentials(REFERENCE, podman=True) == {
        "username": "me",
        "password": WORD,
        "serveraddress": HOST,
    }


def test_a_token_may_replace_the_password(home: Home) -> None:
    home.write(home.podman, {"auths": {HOST: {**auth("<token>", ""), "identitytoken": "T"}}})
    assert credentials(REFERENCE, podman=True) == {"identitytoken": "T", "serveraddress": HOST}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([f"{HOST}/me/team/hello", f"{HOST}/me", HOST], f"{HOST}/me/team/hello"),
        ([f"{HOST}/me/team", f"{HOST}/me", HOST], f"{HOST}/me/team"),
        ([HOST, f"{HOST}/other", f"{HOST}/me/tea"], HOST),
        ([f"{HOST}/"], f"{HOST}/"),
        ([f"https://{HOST}"], f"https://{HOST}"),
        ([f"https://{HOST}/v1/"], f"https://{HOST}/v1/"),
        ([f"http://{HOST}/v2/"], f"http://{HOST}/v2/"),
        (["registry.example.org", f"{HOST}/me/v1"], None),
        (["evil.example.org/registry.example.org:5000", f"x{HOST}"], None),
    ],
)
def test_the_most_specific_key_wins(home: Home, keys: list[str], expected: str | None) -> None:
    home.write(home.podman, {"auths": {key: auth(key.replace(":", ";")) for key in keys}})
    assert user() == (expected.replace(":", ";") if expected else None)


def test_a_namespace_called_v1_is_not_an_old_url(home: Home) -> None:
    home.write(home.podman, {"auths": {f"{HOST}/v1": auth("namespace")}})
    assert user(f"{HOST}/v1/hello:1") == "namespace"
    assert user() is None


@pytest.mark.parametrize("suffix", ["", ":1", "@sha256:" + "a" * 64, ":1@sha256:" + "a" * 64])
def test_neither_tag_nor_digest_is_part_of_a_key(home: Home, suffix: str) -> None:
    home.write(home.podman, {"auths": {f"{HOST}/me/hello": auth("me")}})
    assert user(f"{HOST}/me/hello{suffix}") == "me"


@pytest.mark.parametrize(
    "key", ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "docker.io/library"]
)
def test_docker_hub_has_several_names(home: Home, key: str) -> None:
    home.write(home.docker, {"auths": {key: auth("me")}})
    found = credentials("docker.io/library/python:3", podman=False)
    assert found is not None
    assert found["username"] == "me"


def test_the_header_is_url_safe_base64_of_json(home: Home) -> None:
    home.write(home.podman, {"auths": {HOST: auth("me", "~~~???ü")}})
    header = authorization(REFERENCE, podman=True)["X-Registry-Auth"]
    assert "+" not in header
    assert "/" not in header
    sent = json.loads(base64.urlsafe_b64decode(header))
    assert sent == {"username": "me", "password": "~~~???ü", "serveraddress": HOST}


# Helpers ------------------------------------------------------------------------------------------


def test_a_store_is_asked_for_the_registry_once(home: Home) -> None:
    asked = home.helper("fake", {HOST: {"Username": "me", "Secret": WORD}})
    home.write(home.docker, {"credsStore": "fake", "auths": {HOST: {}}})
    assert credentials(REFERENCE, podman=False) == {
        "username": "me",
        "password": WORD,
        "serveraddress": HOST,
    }
    assert asked.read_text() == f"get {HOST}\n"


def test_a_store_gives_a_token(home: Home) -> None:
    home.helper("fake", {HOST: {"Username": "<token>", "Secret": "T"}})
    home.write(home.docker, {"credsStore": "fake"})
    assert credentials(REFERENCE, podman=False) == {"identitytoken": "T", "serveraddress": HOST}


def test_a_helper_of_a_registry_precedes_the_store(home: Home) -> None:
    home.helper("one", {HOST: {"Username": "of-helper", "Secret": "x"}})
    asked = home.helper("store", {HOST: {"Username": "of-store", "Secret": "x"}})
    home.write(home.docker, {"credHelpers": {HOST: "one"}, "credsStore": "store"})
    assert user(podman=False) == "of-helper"
    assert not asked.exists()


def test_a_store_knows_docker_hub_by_its_old_url(home: Home) -> None:
    home.helper("fake", {"https://index.docker.io/v1/": {"Username": "me", "Secret": "x"}})
    home.write(home.docker, {"credsStore": "fake"})
    assert user("docker.io/library/python:3", podman=False) == "me"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "no json",
        "[]",
        "null",
        {"Username": "me"},
        {"Username": "", "Secret": ""},
        {"Secret": "x"},
        {"Username": "me", "Secret": ["x"]},
    ],
)
def test_a_failing_helper_is_skipped(home: Home, answer: object) -> None:
    home.helper("fake", {} if answer is None else {HOST: answer})
    home.write(home.docker, {"credsStore": "fake", "auths": {HOST: auth("of-file")}})
    assert user(podman=False) == "of-file"


def test_a_missing_helper_is_skipped_silently(home: Home) -> None:
    home.write(home.docker, {"credsStore": "nowhere", "auths": {HOST: auth("of-file")}})
    assert user(podman=False) == "of-file"


def test_a_helper_that_cannot_be_executed_is_skipped(home: Home) -> None:
    program = home.helper("fake", {}).parent / "bin/docker-credential-fake"
    program.write_text("#!/nonexistent/interpreter\n")
    home.write(home.docker, {"credsStore": "fake"})
    assert credentials(REFERENCE, podman=False) is None


def test_output_of_a_helper_is_never_shown(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    home.helper("fake", {HOST: WORD})  # bare, which is not an answer
    home.write(home.docker, {"credsStore": "fake"})
    assert credentials(REFERENCE, podman=False) is None
    assert capfd.readouterr() == ("", "")
