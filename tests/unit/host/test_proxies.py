"""Which proxies a build gets: those that the engine's own command would hand to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from buildr.host.proxies import build_proxies

if TYPE_CHECKING:
    from pathlib import Path

SOCKET = "unix:///run/engine.sock"


def both(**values: str) -> dict[str, str]:
    return {spelt: value for name, value in values.items() for spelt in (name, name.upper())}


def docker(directory: Path, proxies: object, **environ: str) -> dict[str, str]:
    (directory / "config.json").write_text(json.dumps({"proxies": proxies}))
    return build_proxies("docker", SOCKET, environ={"DOCKER_CONFIG": str(directory), **environ})


def podman(home: Path, *, remote: bool = False, **environ: str) -> dict[str, str]:
    everything = {"HOME": str(home), "CONTAINERS_CONF": str(home / "none"), **environ}
    return build_proxies("environment", SOCKET, remote=remote, environ=everything)


def test_docker_has_the_proxies_of_its_configuration(tmp_path: Path) -> None:
    proxies = {"default": {"httpProxy": "http://p:1", "httpsProxy": "http://s:1", "noProxy": "a,b"}}
    found = docker(tmp_path, proxies, HTTP_PROXY="http://of-the-host:1")
    assert found == both(http_proxy="http://p:1", https_proxy="http://s:1", no_proxy="a,b")


def test_docker_may_have_other_proxies_for_one_engine(tmp_path: Path) -> None:
    proxies = {"default": {"httpProxy": "http://p:1"}, SOCKET: {"httpsProxy": "http://s:1"}}
    assert docker(tmp_path, proxies) == both(https_proxy="http://s:1")


@pytest.mark.parametrize("proxies", [None, [], {"default": 1}, {"default": {"httpProxy": 1}}])
def test_a_configuration_of_another_form_has_no_proxies(tmp_path: Path, proxies: object) -> None:
    assert docker(tmp_path, proxies) == {}


def test_an_unreadable_configuration_has_no_proxies(tmp_path: Path) -> None:
    environ = {"DOCKER_CONFIG": str(tmp_path)}
    assert build_proxies("docker", SOCKET, environ=environ) == {}
    (tmp_path / "config.json").write_text("{")
    assert build_proxies("docker", SOCKET, environ=environ) == {}


def test_podman_has_the_proxies_of_the_environment_in_both_spellings(tmp_path: Path) -> None:
    found = podman(tmp_path, HTTP_PROXY="http://p:1", https_proxy="http://s:1", NO_PROXY="a")
    assert found == both(http_proxy="http://p:1", https_proxy="http://s:1", no_proxy="a")


def test_a_remote_podman_has_its_own_proxies(tmp_path: Path) -> None:
    assert podman(tmp_path, remote=True, HTTP_PROXY="http://p:1") == {}


def test_podman_s_configuration_may_name_proxies(tmp_path: Path) -> None:
    conf = tmp_path / "containers.conf"
    conf.write_text(
        '[containers]\nenv = ["HTTPS_PROXY=http://c:1", "http_proxy=http://c:2", "X=y"]\n'
    )
    found = podman(tmp_path, CONTAINERS_CONF=str(conf), HTTP_PROXY="http://p:1")
    assert found == both(http_proxy="http://p:1", https_proxy="http://c:1")
    conf.write_text("proxy [")
    assert podman(tmp_path, CONTAINERS_CONF=str(conf)) == {}


def test_the_user_s_configuration_precedes_the_system_s(tmp_path: Path) -> None:
    folder = tmp_path / ".config/containers/containers.conf.d"
    folder.mkdir(parents=True)
    folder.with_suffix("").write_text('[containers]\nenv = ["HTTP_PROXY=http://a:1"]\n')
    (folder / "10.conf").write_text('[containers]\nenv = ["HTTP_PROXY=http://b:1"]\n')
    found = build_proxies("environment", SOCKET, environ={"HOME": str(tmp_path)})
    assert found == both(http_proxy="http://b:1")


def test_all_proxy_is_the_default_of_the_others(tmp_path: Path) -> None:
    found = podman(tmp_path, ALL_PROXY="http://all:1", https_proxy="http://s:1")
    assert found == both(
        http_proxy="http://all:1", https_proxy="http://s:1", ftp_proxy="http://all:1"
    )
    assert (
        docker(tmp_path, {"default": {"allProxy": "http://all:1"}})["http_proxy"] == "http://all:1"
    )
