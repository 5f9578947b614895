"""The proxies of an engine's own builds, which its command passes to each step.

``docker build`` takes them from ``proxies`` in Docker's ``config.json`` (https://docs.docker.com/engine/cli/proxy/), ``podman build``
from its environment; there ``env`` of containers.conf(5) may name them as well. Engines know them as predefined build
arguments, which no layer and no history holds.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Literal

from buildr.host.documents import table_at
from buildr.host.files import read_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["build_proxies"]

_NAMES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
"""pip, apk and apt read these; some programs in capitals, some not."""
_ALL = "all_proxy"
"""Stands for the first three where they are not set. Not every engine and package manager knows it."""
_DOCKER_KEYS = {
    "httpProxy": "http_proxy",
    "httpsProxy": "https_proxy",
    "ftpProxy": "ftp_proxy",
    "noProxy": "no_proxy",
    "allProxy": _ALL,
}


def build_proxies(
    source: Literal["environment", "docker"],
    endpoint: str,
    *,
    remote: bool = False,
    environ: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the proxy variables of a build step.

    Args:
        source: the kind of their source: `buildr.engines.records.EngineInfo.proxies`.
        endpoint: its address, for which Docker's configuration may have proxies of their own.
        remote: whether it is on another machine: its builds have the proxies of that machine, unless Docker's configuration names others.
        environ: the environment; by default this process's.

    Returns:
        Each variable in small letters and in capitals; nothing where there is no proxy.
    """
    environ = os.environ if environ is None else environ
    if source == "docker":
        found = _of_docker(endpoint, environ)
    elif remote:
        found = {}
    else:
        found = {**_of_containers_conf(environ), **_in_environment(environ)}
    for name in _NAMES[:3]:
        if found.get(_ALL):
            found.setdefault(name, found[_ALL])
    named = {name: found[name] for name in _NAMES if found.get(name)}
    return {spelt: value for name, value in named.items() for spelt in (name, name.upper())}


def _in_environment(environ: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name in (*_NAMES, _ALL):
        if value := environ.get(name) or environ.get(name.upper()):
            found[name] = value
    return found


def _of_docker(endpoint: str, environ: Mapping[str, str]) -> dict[str, str]:
    folder = environ.get("DOCKER_CONFIG") or f"{_home(environ)}/.docker"
    try:
        content = json.loads(read_file(f"{folder}/config.json"))
    except (OSError, ValueError, RecursionError):
        return {}  # Docker's own command ignores it, too
    proxies = table_at(content, "proxies")
    chosen = table_at(proxies, endpoint if endpoint in proxies else "default")
    return {
        name: value
        for key, name in _DOCKER_KEYS.items()
        if isinstance(value := chosen.get(key), str) and value
    }


def _of_containers_conf(environ: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in _containers_conf(environ):
        with contextlib.suppress(OSError):
            data = read_file(path)
            if b"proxy" not in data.lower():
                continue
            from tomllib import loads

            with contextlib.suppress(ValueError, RecursionError):  # Podman reports the error
                listed = table_at(loads(data.decode()), "containers").get("env")
                for entry in listed if isinstance(listed, list) else ():
                    name, _, value = str(entry).partition("=")
                    if name.lower() in (*_NAMES, _ALL) and value:
                        found[name.lower()] = value
    return found


def _containers_conf(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the paths of the files in ascending precedence: containers.conf(5)."""
    if named := environ.get("CONTAINERS_CONF"):
        yield named
    else:
        config = environ.get("XDG_CONFIG_HOME") or f"{_home(environ)}/.config"
        for path in ("/usr/share/containers", "/etc/containers", f"{config}/containers"):
            yield f"{path}/containers.conf"
            with contextlib.suppress(OSError):
                for name in sorted(os.listdir(f"{path}/containers.conf.d")):
                    yield f"{path}/containers.conf.d/{name}"
    if named := environ.get("CONTAINERS_CONF_OVERRIDE"):
        yield named


def _home(environ: Mapping[str, str]) -> str:
    return environ.get("HOME") or os.path.expanduser("~")
