"""The Podman backend: rootless or not, through its own libpod API, with no daemon needed."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

from buildr.engines.records import EngineInfo
from buildr.errors import (
    BackendError,
    EngineNotFoundError,
    EngineTooOldError,
    EngineUnavailableError,
)
from buildr.host import console
from buildr_backends.http.client import Client
from buildr_backends.http.probe import deadline_of, first_that_answers, ping, version_number
from buildr_backends.podman import endpoint as podman_endpoint
from buildr_backends.podman import service as podman_service
from buildr_backends.podman.builder import builder
from buildr_backends.podman.configuration import idle_seconds
from buildr_backends.podman.containers import PodmanContainers
from buildr_backends.podman.images import PodmanImages
from buildr_backends.podman.launch import listens
from buildr_backends.podman.working_containers import PREFIX, working_containers
from buildr_backends.shared.facts import Facts, facts_of, is_elsewhere
from buildr_backends.shared.volumes import HttpVolumes

if TYPE_CHECKING:
    from buildr.engines.container_spec import MountSpec
    from buildr.engines.records import BuildRequest, EngineDetails, OnEvent, Target
    from buildr_backends.http.endpoint import Endpoint

OLDEST = (4, 0)
_PASTA_SINCE = (5, 0)
_USUAL_SECONDS = 5.0
"""How long a transient service usually takes at most before it answers."""
_SLOW_SECONDS = 30.0
"""How long a service that has been started may take on a busy machine, whatever the deadline is."""


def connect(target: Target) -> Podman:
    """Connect to Podman: the named socket, else an existing one, else a transient service.

    All attempts together last until the target's deadline, or `buildr_backends.http.probe.REACH_SECONDS`; a transient service may
    take up to 30 s longer, and an engine that has answered may take longer to report about itself, see `buildr_backends.shared.facts.facts_of`.

    Raises:
        EngineNotFoundError: no socket answers and there is no ``podman`` program.
        EngineUnavailableError: the named socket or the default connection does not answer, or no service can be started.
        EngineTooOldError: Podman is older than 4.0.
    """
    deadline = deadline_of(target)
    if chosen := podman_endpoint.explicit(target.endpoint):
        return _reach(*chosen, deadline)
    if default := podman_endpoint.default_connection():
        return _reach_default(*default, deadline)
    podman, failure = first_that_answers(podman_endpoint.discovered(), _reach, deadline)
    if podman is not None:
        return podman
    try:
        program = podman_service.find_podman()
    except EngineNotFoundError:
        if failure is not None:
            raise failure from None
        raise
    return _reach_service(program, deadline)


def _reach_default(endpoint: Endpoint, why: str, deadline: float) -> Podman:
    try:
        return _reach(endpoint, why, deadline)
    except EngineUnavailableError as error:
        # The script must not run on another machine than the one that was chosen.
        raise EngineUnavailableError(
            f"{why}, your default one, does not answer: {error.what}",
            hint="`podman system connection list` shows your connections, `podman system connection default NAME` chooses another,"
            " and CONTAINER_HOST=unix:///run/user/$UID/podman/podman.sock names an engine for one run.",
        ) from None


def _reach_service(program: str, deadline: float) -> Podman:
    why = f"a transient service (ends by itself after {idle_seconds()} idle seconds)"
    endpoint = podman_service.service(program)
    try:
        return _reach(endpoint, why, min(deadline, time.monotonic() + _USUAL_SECONDS), program)
    except EngineUnavailableError:
        if listens(endpoint):
            console.say(
                f"Podman's service is slow to start; waiting for up to {_SLOW_SECONDS:.0f} s"
            )
        else:  # it was just ending after its idle time, or it failed; then the second attempt reports why
            endpoint = podman_service.service(program)
    try:
        return _reach(endpoint, why, time.monotonic() + _SLOW_SECONDS, program)
    except EngineUnavailableError as error:
        raise EngineUnavailableError(
            f"Podman's service does not start: {error.what}",
            hint=f"{podman_service.log_tail(endpoint)}\n`podman info` should work first.".strip(),
        ) from None


def _reach(endpoint: Endpoint, why: str, deadline: float, program: str | None = None) -> Podman:
    client = Client(endpoint, PREFIX)
    try:
        headers = ping(client, deadline)
        version = headers.get("libpod-api-version", "")
        number = version_number(version)
        if number is None:
            raise EngineUnavailableError(
                f"{endpoint.url} answers, but is not Podman",
                hint="Is it Docker's? Then BUILDR_BACKEND=docker.",
            )
        if number < OLDEST:
            raise EngineTooOldError(
                f"Podman {version} at {endpoint.url} is too old",
                hint="Buildr needs Podman 4.0 or newer.",
            )
    except BackendError:
        client.close()
        raise
    # A service that Buildr starts runs as this user, on this machine.
    facts = Facts(rootless=os.geteuid() != 0) if program else facts_of(client, read_facts)
    info = EngineInfo(
        backend="podman",
        version=version,
        rootless=facts.rootless,
        remote=facts.remote,
        endpoint=endpoint.url,
        found=why,
        plaintext=endpoint.plaintext,
        forwards_ports=endpoint.ssh is not None,
        routed=not facts.rootless,
        command="podman",
        # Root's Podman is root's alone; a rootful one whose socket this user may open has images of all who may.
        shared=endpoint.remote or facts.remote or (not facts.rootless and os.geteuid() != 0),
        daemonless=True,
        network_program="pasta" if number >= _PASTA_SINCE else "slirp4netns",
        health_on_request=True,  # Podman runs none itself, but leaves it to systemd's timers
        builder=builder(number),
    )
    return Podman(client, info, program)


class Podman(PodmanImages, PodmanContainers, HttpVolumes):
    """A `buildr.engines.protocol.Backend` for Podman.

    Args:
        client: to the engine.
        info: what is known since connecting.
        program: path of ``podman``, when the service is one that Buildr starts itself.
    """

    _volumes = "/json"

    def __init__(self, client: Client, info: EngineInfo, program: str | None = None) -> None:
        super().__init__(client, info)
        self._program = program
        if program is not None:
            # Containers outlive the service: one that is killed, or has gone idle, can be started again.
            client.connections.revive = lambda: podman_service.service(program)

    def shows(self, container: str, mount: MountSpec) -> bool:
        """See `buildr.engines.containers.Containers.shows`."""
        # A service that Buildr has started sees what this process sees.
        return self._program is not None or super().shows(container, mount)

    def details(self) -> EngineDetails:
        """See `buildr.engines.engine.Engine.details`."""
        from buildr_backends.podman.sdk import details

        return details(self._client)

    def build(self, request: BuildRequest, on_event: OnEvent) -> str:
        """See `buildr.engines.images.Images.build`."""
        if self._program is None:
            return super().build(request, on_event)
        from buildr_backends.podman.build import BuildService

        with (
            BuildService(self._program, lambda: working_containers(self._client)) as service,
            contextlib.closing(Podman(Client(service.endpoint, PREFIX), self._info)) as builder,
        ):
            return builder.build(request, on_event)


def read_facts(found: Any) -> Facts:
    """Read the facts about the engine's machine from ``podman info``."""
    host = found["host"]
    return Facts(
        rootless=host["security"]["rootless"] is True,
        remote=is_elsewhere(host["kernel"], host["memTotal"]),
    )
