"""The places and precedence of endpoints, and unsupported schemes."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from docker.context import ContextAPI
from docker.tls import TLSConfig

from buildr.errors import EngineUnavailableError
from buildr_backends.docker import endpoint as docker_endpoint
from buildr_backends.http.endpoint import Endpoint, SshAddress, parse_endpoint
from buildr_backends.podman import endpoint as podman_endpoint

if TYPE_CHECKING:
    from pathlib import Path

VARIABLES = (
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
    "CONTAINER_CONNECTION",
    "CONTAINER_HOST",
    "CONTAINER_TLS_CA",
    "CONTAINER_TLS_CERT",
    "CONTAINER_TLS_KEY",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "DOCKER_TLS",
    "DOCKER_TLS_VERIFY",
    "PODMAN_CONNECTIONS_CONF",
    "XDG_CONFIG_HOME",
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and no engine named anywhere."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(docker_endpoint, "SYSTEM_SOCKET", str(tmp_path / "docker.sock"))
    return tmp_path


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def urls(found: object) -> list[str]:
    return [endpoint.url for endpoint, _ in found]  # type: ignore[attr-defined]  # an iterator of pairs


# Addresses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("unix:///run/x.sock", Endpoint(url="unix:///run/x.sock", path="/run/x.sock")),
        ("unix:///a b/ü", Endpoint(url="unix:///a b/ü", path="/a b/ü")),
        ("http+unix:///run/x", Endpoint(url="unix:///run/x", path="/run/x")),
        ("tcp://host:2375", Endpoint(url="tcp://host:2375", host="host", port=2375)),
        ("tcp://10.0.0.1:1/", Endpoint(url="tcp://10.0.0.1:1/", host="10.0.0.1", port=1)),
        ("tcp://[::1]:65535", Endpoint(url="tcp://[::1]:65535", host="::1", port=65535)),
        ("http://h:1", Endpoint(url="tcp://h:1", host="h", port=1)),
        ("https://h:1", Endpoint(url="tcp://h:1", host="h", port=1, tls=True)),
    ],
)
def test_addresses_that_are_supported(url: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(url) == endpoint
    assert endpoint.remote is ("unix" not in url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/run/podman/podman.sock",
        "unix://run/x.sock",
        "unix://",
        "unix:/run/x.sock",
        "tcp://",
        "tcp://host",
        "tcp://host:",
        "tcp://:2375",
        "tcp://host:0",
        "tcp://host:65536",
        "tcp://host:99999999999999999999",
        "tcp://host:-1",
        "tcp://host:٣",
        "tcp://host:2375/path",
        "npipe:////./pipe/docker_engine",
        "fd://",
        "nonsense",
        "ssh://",
        "ssh:///run/x.sock",
        "ssh://-oProxyCommand=x/run/x.sock",
        "ssh://-l@host/run/x.sock",
        "ssh://a b@host",
        "ssh://host:99999",
        "ssh://host:/run/x.sock",
        "ssh://host/run/x.sock:/etc",
        "ssh://host/a b",
    ],
)
def test_unsupported_addresses_are_refused_with_the_supported_ones(url: str) -> None:
    with pytest.raises(EngineUnavailableError, match="cannot be used") as caught:
        parse_endpoint(url)
    assert repr(url) in caught.value.what
    assert "unix:///path/to/socket, tcp://host:port and ssh://user@host" in caught.value.hint


@pytest.mark.parametrize(
    ("url", "destination", "port", "path"),
    [
        ("ssh://host", "host", 0, ""),
        ("ssh://host/", "host", 0, ""),
        ("ssh://me@host/run/podman/podman.sock", "me@host", 0, "/run/podman/podman.sock"),
        ("ssh://core@127.0.0.1:4711/run/user/1/p.sock", "core@127.0.0.1", 4711, "/run/user/1/p.sock"),
        ("ssh://me@example.com@host:22", "me@example.com@host", 22, ""),
        ("ssh://me@[2001:db8::1]:22/x", "me@2001:db8::1", 22, "/x"),
        ("ssh://host/x?secure=True", "host", 0, "/x"),
    ],
)  # fmt: skip
def test_addresses_for_ssh(url: str, destination: str, port: int, path: str) -> None:
    found = parse_endpoint(url)
    assert found.ssh == SshAddress(destination=destination, port=port, path=path)
    assert (found.url, found.path, found.remote, found.plaintext) == (url, "", True, False)


def test_a_password_in_an_address_for_ssh_is_refused_and_not_shown() -> None:
    with pytest.raises(EngineUnavailableError, match="cannot be used") as caught:
        parse_endpoint("ssh://me:hunter2@host/run/x.sock")
    assert "hunter2" not in str(caught.value)


# Podman -------------------------------------------------------------------------------------------


def test_the_option_for_podman_has_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINER_HOST", "unix:///variable")
    assert podman_endpoint.explicit("unix:///option") == (
        Endpoint(url="unix:///option", path="/option"),
        "named explicitly",
    )


def test_container_host_precedes_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONTAINER_HOST", "unix:///variable")
    monkeypatch.setenv("CONTAINER_CONNECTION", "x")
    assert podman_endpoint.explicit(None) == (
        Endpoint(url="unix:///variable", path="/variable"),
        "CONTAINER_HOST",
    )


def test_podman_may_be_unnamed() -> None:
    assert podman_endpoint.explicit(None) is None
    assert podman_endpoint.explicit("") is None
    assert list(podman_endpoint.discovered()) == []


CONNECTIONS = {
    "Connection": {
        "Default": "main",
        "Connections": {
            "main": {"URI": "unix:///main.sock"},
            "other": {"URI": "unix:///other.sock"},
            "far": {"URI": "ssh://me@host:22/run/podman.sock", "Identity": "/me/key"},
        },
    }
}
CONF = """
[engine]
active_service = "main"
[engine.service_destinations.main]
uri = "unix:///conf-main.sock"
[engine.service_destinations.old]
uri = "unix:///conf-old.sock"
"""


def test_a_named_connection_is_used_or_fails(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".config/containers/podman-connections.json", CONNECTIONS)
    write(home / ".config/containers/containers.conf", CONF)
    monkeypatch.setenv("CONTAINER_CONNECTION", "other")
    found = podman_endpoint.explicit(None)
    assert found is not None
    assert (found[0].url, found[1]) == ("unix:///other.sock", "the Podman connection 'other'")

    monkeypatch.setenv("CONTAINER_CONNECTION", "old")  # is in the older file only
    found = podman_endpoint.explicit(None)
    assert found is not None
    assert found[0].url == "unix:///conf-old.sock"

    monkeypatch.setenv("CONTAINER_CONNECTION", "far")
    found = podman_endpoint.explicit(None)
    assert found is not None
    far = SshAddress(destination="me@host", port=22, path="/run/podman.sock", identity="/me/key")
    assert found[0].ssh == far
    named = podman_endpoint.explicit(found[0].url)  # as the watchdog does
    assert named is not None
    assert named[0].ssh == far

    monkeypatch.setenv("CONTAINER_CONNECTION", "unknown")
    with pytest.raises(EngineUnavailableError, match="no Podman connection 'unknown'") as caught:
        podman_endpoint.explicit(None)
    assert "podman system connection list" in caught.value.hint


TLS_JSON = {
    "Connection": {
        "Default": "far",
        "Connections": {
            "far": {"URI": "tcp://far:1", "TLSCA": "/ca", "TLSCert": "/cert", "TLSKey": "~/key"},
            "near": {"URI": "unix:///near.sock", "TLSCA": "/ca"},
        },
    }
}
TLS_CONF = """
[engine]
active_service = "far"
service_destinations.far = {uri = "tcp://far:1", tls_ca = "/ca", tls_cert = "/cert", tls_key = "~/key"}
"""


@pytest.mark.parametrize(
    ("file", "content"), [("podman-connections.json", TLS_JSON), ("containers.conf", TLS_CONF)]
)
def test_a_connection_with_tls_files_uses_tls(home: Path, file: str, content: object) -> None:
    write(home / ".config/containers" / file, content)
    found = podman_endpoint.default_connection()
    assert found is not None
    assert found[0].tls
    assert [found[0].tls_file(name) for name in ("ca", "cert", "key")] == [
        "/ca",
        "/cert",
        f"{home}/key",
    ]


def test_tls_is_for_tcp_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".config/containers/podman-connections.json", TLS_JSON)
    monkeypatch.setenv("CONTAINER_CONNECTION", "near")
    found = podman_endpoint.explicit(None)
    assert found is not None
    assert not found[0].tls


def test_variables_name_the_tls_files_of_container_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONTAINER_HOST", "tcp://far:1")
    monkeypatch.setenv("CONTAINER_TLS_CA", "/ca")
    found = podman_endpoint.explicit(None)
    assert found is not None
    assert (found[0].tls, found[0].tls_file("ca"), found[0].tls_file("cert")) == (True, "/ca", None)


def test_a_running_service_does_not_have_a_configured_storage(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / "run" / "podman" / "podman.sock", "")
    assert len(urls(podman_endpoint.discovered())) == 1
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(home / "storage.conf"))
    assert urls(podman_endpoint.discovered()) == []


def test_the_order_of_podman_s_sockets(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home / ".config/containers/podman-connections.json", CONNECTIONS)
    write(home / "run/podman/podman.sock", "")
    assert urls(podman_endpoint.discovered()) == [
        "unix:///main.sock",
        f"unix://{home}/run/podman/podman.sock",
    ]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os.path, "exists", lambda _: True)
    assert urls(podman_endpoint.discovered())[-1] == "unix:///run/podman/podman.sock"


def test_the_runtime_directory_of_a_plain_user_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(os.path, "exists", lambda _: True)
    assert urls(podman_endpoint.discovered()) == ["unix:///run/user/1000/podman/podman.sock"]
    assert urls(docker_endpoint.discovered())[-1] == "unix:///run/user/1000/docker.sock"


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "PODMAN_CONNECTIONS_CONF"])
def test_a_variable_names_the_file_of_connections(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    file = home / "elsewhere/containers/podman-connections.json"
    write(file, CONNECTIONS)
    named = file if variable == "PODMAN_CONNECTIONS_CONF" else home / "elsewhere"
    monkeypatch.setenv(variable, str(named))
    assert urls(podman_endpoint.discovered()) == ["unix:///main.sock"]


def test_the_connection_of_an_older_podman_is_read(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / ".config/containers/containers.conf", CONF)
    assert urls(podman_endpoint.discovered()) == ["unix:///conf-main.sock"]
    monkeypatch.setenv("CONTAINERS_CONF", str(home / "absent.conf"))
    assert urls(podman_endpoint.discovered()) == []


@pytest.mark.parametrize("uri", ["tcp://", "tcp://host:99999", "nonsense", ""])
def test_a_default_connection_that_cannot_be_used_is_an_error(home: Path, uri: str) -> None:
    connection = {"Default": "x", "Connections": {"x": {"URI": uri}}}
    write(home / ".config/containers/podman-connections.json", {"Connection": connection})
    with pytest.raises(EngineUnavailableError, match="cannot be used"):
        podman_endpoint.default_connection()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"Connection": null}', '{"Connection": {"Default": "x"}}']
)
def test_broken_connections_are_skipped(home: Path, content: str) -> None:
    write(home / ".config/containers/podman-connections.json", content)
    write(home / ".config/containers/containers.conf", f"service_destinations\n{content}")
    assert urls(podman_endpoint.discovered()) == []


# Docker -------------------------------------------------------------------------------------------


def context(home: Path, name: str, endpoint: object, *files: str) -> Path:
    """Write a context like Docker's command; return the directory of its TLS files."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    endpoints = {"docker": endpoint}
    write(
        home / f".docker/contexts/meta/{digest}/meta.json",
        {"Name": name, "Metadata": {}, "Endpoints": endpoints},
    )
    directory = home / f".docker/contexts/tls/{digest}/docker"
    for file in files:
        write(directory / file, "")
    return directory


def explicit(endpoint: str | None = None) -> Endpoint:
    found = docker_endpoint.explicit(endpoint)
    assert found is not None
    return found[0]


def test_the_option_precedes_docker_host_and_the_context(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context(home, "mine", {"Host": "unix:///context.sock"})
    write(home / ".docker/config.json", {"currentContext": "mine"})
    assert docker_endpoint.explicit(None) == (
        Endpoint(url="unix:///context.sock", path="/context.sock"),
        "the Docker context 'mine'",
    )
    monkeypatch.setenv("DOCKER_HOST", "unix:///host.sock")
    assert explicit().url == "unix:///host.sock"
    assert explicit("unix:///option.sock").url == "unix:///option.sock"


def test_a_variable_names_the_context(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context(home, "mine", {"Host": "unix:///mine.sock"})
    context(home, "ünother", {"Host": "unix:///other.sock"})
    write(home / ".docker/config.json", {"currentContext": "mine"})
    monkeypatch.setenv("DOCKER_CONTEXT", "ünother")
    assert explicit().url == "unix:///other.sock"
    monkeypatch.setenv("DOCKER_CONTEXT", "default")
    assert docker_endpoint.explicit(None) is None


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"currentContext": ""}', '{"currentContext": "default"}']
)
def test_docker_may_be_unnamed(home: Path, content: str) -> None:
    write(home / ".docker/config.json", content)
    assert docker_endpoint.explicit(None) is None
    assert list(docker_endpoint.discovered()) == []


def test_the_order_of_docker_s_sockets(home: Path) -> None:
    write(home / "docker.sock", "")
    write(home / "run/docker.sock", "")
    assert urls(docker_endpoint.discovered()) == [
        f"unix://{home}/docker.sock",
        f"unix://{home}/run/docker.sock",
    ]


def test_a_missing_context_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONTEXT", "unknown")
    with pytest.raises(EngineUnavailableError, match="no Docker context 'unknown'") as caught:
        docker_endpoint.explicit(None)
    assert "docker context ls" in caught.value.hint


@pytest.mark.parametrize("endpoint", [None, [], {}, {"Host": 7}, {"Host": None}])
def test_an_unreadable_context_is_an_error(
    home: Path, monkeypatch: pytest.MonkeyPatch, endpoint: object
) -> None:
    context(home, "broken", endpoint)
    monkeypatch.setenv("DOCKER_CONTEXT", "broken")
    with pytest.raises(EngineUnavailableError, match="'broken' cannot be read"):
        docker_endpoint.explicit(None)


def test_a_context_over_ssh_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context(home, "far", {"Host": "ssh://host"})
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    found = docker_endpoint.explicit(None)
    assert found is not None
    assert found[0].ssh == SshAddress(destination="host", path=docker_endpoint.SYSTEM_SOCKET)


@pytest.mark.parametrize(
    ("endpoint", "files", "tls", "verify"),
    [
        ({"Host": "tcp://h:1"}, (), False, True),
        ({"Host": "tcp://h:1", "SkipTLSVerify": False}, ("ca.pem",), True, True),
        ({"Host": "tcp://h:1", "SkipTLSVerify": True}, ("cert.pem", "key.pem"), True, False),
        ({"Host": "tcp://h:1", "SkipTLSVerify": True}, (), True, False),
        ({"Host": "https://h:1"}, (), True, True),
        ({"Host": "unix:///x", "SkipTLSVerify": False}, ("ca.pem",), False, True),
    ],
)
def test_the_tls_settings_of_a_context_are_used(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    endpoint: object,
    files: tuple[str, ...],
    tls: bool,
    verify: bool,
) -> None:
    directory = context(home, "c", endpoint, *files)
    monkeypatch.setenv("DOCKER_CONTEXT", "c")
    found = explicit()
    assert found.tls is tls
    assert found.tls_directory == (str(directory) if tls else "")
    assert found.tls_verify is verify
    for name in ("ca", "cert", "key"):
        expected = str(directory / f"{name}.pem") if tls and f"{name}.pem" in files else None
        assert found.tls_file(name) == expected


def test_contexts_are_read_as_docker_py_writes_them(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(home / ".docker/config.json", {})
    for name in ("ca.pem", "cert.pem", "key.pem"):
        write(home / "pem" / name, "x")
    pem = str(home / "pem")
    tls = TLSConfig(client_cert=(f"{pem}/cert.pem", f"{pem}/key.pem"), ca_cert=f"{pem}/ca.pem")
    create: Any = ContextAPI.create_context
    made = create("by-sdk", host="tcp://example.org:2376", tls_cfg=tls)
    monkeypatch.setenv("DOCKER_CONTEXT", "by-sdk")
    found = explicit()
    assert (found.host, found.port, found.tls_verify) == ("example.org", 2376, True)
    assert found.tls_directory == f"{made.tls_path}/docker".replace("//", "/")
    assert found.tls_file("key") is not None


@pytest.mark.parametrize(
    ("variables", "directory", "verify"),
    [
        ({}, "", True),
        ({"DOCKER_TLS_VERIFY": "1"}, "{home}/.docker", True),
        ({"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"}, "/certs", True),
        ({"DOCKER_TLS": "1", "DOCKER_CONFIG": "/config"}, "/config", False),
        ({"DOCKER_TLS_VERIFY": ""}, "", True),
    ],
)
def test_the_tls_settings_of_the_environment_are_used(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    directory: str,
    *,
    verify: bool,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://host:2376")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = explicit()
    assert found.tls_directory == directory.format(home=home)
    assert found.tls is bool(directory)
    assert found.tls_verify is verify


def test_a_socket_needs_no_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///x")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    assert not explicit().tls
