"""The Docker backend: any dockerd from 20.10, rootless or not."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from buildr.engines.records import EngineInfo
from buildr.errors import (
    BackendError,
    EngineNotFoundError,
    EngineTooOldError,
    EngineUnavailableError,
)
from buildr_backends.docker import endpoint as docker_endpoint
from buildr_backends.docker.builder import builder
from buildr_backends.docker.containers import DockerContainers
from buildr_backends.docker.images import DockerImages
from buildr_backends.http.client import Client
from buildr_backends.http.probe import deadline_of, first_that_answers, ping, version_number
from buildr_backends.shared.facts import Facts, facts_of, is_elsewhere
from buildr_backends.shared.volumes import HttpVolumes

if TYPE_CHECKING:
    from buildr.engines.records import EngineDetails, Target
    from buildr_backends.http.endpoint import Endpoint

OLDEST = (1, 41)
"""The API of Docker 20.10."""
_NOT_ROUTED_SINCE = 28
"""The major version since which other machines reach no container at its own address:
https://github.com/moby/moby/pull/49325.
"""
_NEWEST = (1, 44)  # the newest API this module was written for; Docker 29 serves nothing older


def connect(target: Target) -> Docker:
    """Connect to Docker: the named address or context, else existing sockets.

    All attempts together last until the target's deadline, or `buildr_backends.http.probe.REACH_SECONDS`; an engine that has
    answered may take longer to report about itself, see `buildr_backends.shared.facts.facts_of`.

    Raises:
        EngineNotFoundError: there is no socket.
        EngineUnavailableError: none answers.
        EngineTooOldError: Docker is older than 20.10.
    """
    deadline = deadline_of(target)
    if chosen := docker_endpoint.explicit(target.endpoint):
        return _reach(*chosen, deadline)
    docker, failure = first_that_answers(docker_endpoint.discovered(), _reach, deadline)
    if docker is not None:
        return docker
    if failure is not None:
        raise failure
    raise EngineNotFoundError(
        "Docker is not running: there is no /var/run/docker.sock, no rootless socket, no DOCKER_HOST",
        hint="Start it (sudo systemctl start docker), or use Podman: BUILDR_BACKEND=podman.",
    )


def _forbidden(endpoint: Endpoint) -> EngineUnavailableError | None:
    if not os.path.exists(endpoint.path) or os.access(endpoint.path, os.R_OK | os.W_OK):
        return None
    return EngineUnavailableError(
        f"you may not open Docker's socket {endpoint.path}",
        hint="Its owner decides who may (membership in the group `docker` is as good as root)."
        "\nRootless Podman needs no such right: BUILDR_BACKEND=podman.",
    )


def _reach(endpoint: Endpoint, why: str, deadline: float) -> Docker:
    client = Client(endpoint)
    try:
        headers = ping(client, deadline)
        server = headers.get("server", "")
        if "libpod-api-version" in headers:
            raise EngineUnavailableError(
                f"{endpoint.url} answers, but is Podman",
                hint=f"For Podman: BUILDR_BACKEND=podman and CONTAINER_HOST={endpoint.url}",
            )
        api = version_number(headers.get("api-version", ""))
        if api is None:
            raise EngineUnavailableError(
                f"{endpoint.url} answers, but is not Docker",
                hint="`buildr doctor` shows what answers there.",
            )
        match = re.match(r"Docker/(\d[^ ]*)", server)
        version = match[1] if match else server
        if api < OLDEST:
            raise EngineTooOldError(
                f"Docker {version} at {endpoint.url} is too old (API {api[0]}.{api[1]})",
                hint="Buildr needs Docker 20.10 or newer.",
            )
    except BackendError as error:
        client.close()
        if isinstance(error, EngineUnavailableError) and (forbidden := _forbidden(endpoint)):
            raise forbidden from None
        raise
    client.prefix = "/v{}.{}".format(*min(api, _NEWEST))
    facts = facts_of(client, read_facts)
    info = EngineInfo(
        backend="docker",
        version=version,
        rootless=facts.rootless,
        remote=facts.remote,
        endpoint=endpoint.url,
        found=why,
        plaintext=endpoint.plaintext,
        forwards_ports=endpoint.ssh is not None,
        routed=not facts.rootless and _major(version) < _NOT_ROUTED_SINCE,
        command="docker",
        # By everyone who may open the socket, or connect to the port.
        shared=endpoint.remote or facts.remote or not facts.rootless,
        proxies="docker",
        builder=builder(version, headers.get("builder-version", "")),
    )
    return Docker(client, info)


def _major(version: str) -> int:
    number = re.match(r"\d{1,6}", version)
    return int(number[0]) if number else 0


class Docker(DockerImages, DockerContainers, HttpVolumes):
    """A `buildr.engines.protocol.Backend` for Docker.

    Args:
        client: to the engine.
        info: what is known since connecting.
    """

    def details(self) -> EngineDetails:
        """See `buildr.engines.engine.Engine.details`."""
        from buildr_backends.docker.sdk import details

        return details(self._client)

    def _volume_sizes(self) -> dict[str, int]:
        query = {"type": "volume"}  # engines before 23.0 report all the rest, too
        return self._client.request("GET", "/system/df", query=query).json(read_volume_sizes)


def read_facts(found: Any) -> Facts:
    """Read the facts about the engine's machine from ``/info``."""
    return Facts(
        rootless=any("name=rootless" in option for option in found.get("SecurityOptions") or ()),
        remote=is_elsewhere(found["KernelVersion"], found["MemTotal"]),
    )


def read_volume_sizes(found: Any) -> dict[str, int]:
    """Read how many bytes volumes have, by their names; a negative number means that it is not known."""
    sizes = {
        row["Name"]: (row.get("UsageData") or {}).get("Size", -1)
        for row in found.get("Volumes") or ()
    }
    return {name: size for name, size in sizes.items() if size >= 0}
