"""The Podman backend: rootless or not, through its own libpod API, with no daemon needed."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, TypeVar

from buildr.engines.container_spec import (
    dropped_capabilities,
    health_config,
    restart_policy,
    tmpfs_options,
)
from buildr.engines.records import EngineDetails, EngineInfo
from buildr.errors import (
    BackendError,
    EngineError,
    EngineNotFoundError,
    EngineTooOldError,
    EngineUnavailableError,
)
from buildr_backends.http.client import ANSWER_SECONDS, Client
from buildr_backends.http.json_stream import documents
from buildr_backends.http.probe import deadline_of, first_that_answers, ping, version_number
from buildr_backends.http.urlquote import quote
from buildr_backends.podman import endpoint as podman_endpoint
from buildr_backends.podman import service as podman_service
from buildr_backends.podman.working_containers import PREFIX, working_containers
from buildr_backends.shared import attach
from buildr_backends.shared.engine import HttpEngine, found_health

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from podman import PodmanClient

    from buildr.engines.container_spec import ContainerSpec, NetworkSpec
    from buildr.engines.protocol import Attachment
    from buildr.engines.records import BuildRequest, Health, Image, OnEvent, PushRequest, Target
    from buildr_backends.http.endpoint import Endpoint
    from buildr_backends.shared.append_layer import Stored

T = TypeVar("T")

OLDEST = (4, 0)
_WAIT_INTERVAL = "2ms"
_ENDING = "container state improper"  # libpod's ErrCtrStateInvalid
_CLEAN_UP_SECONDS = 10.0  # for the monitor of a container that has ended
_ULIMITS = 1 << 64  # what a limit is written modulo of: none, -1, is the largest number
_SHM_BYTES = 64 << 20  # Docker's; Podman's own is 1.5 MB less
# Seconds before each look at a container that is ending.
_STATUS_PAUSES = (0.0, 0.002, 0.005, 0.01, 0.02)


def connect(target: Target) -> Podman:
    """Reach Podman: the named socket, else one that exists, else a transient service.

    All attempts together last until the target's deadline, or `buildr_backends.http.probe.REACH_SECONDS`.

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
        # Running the script on another machine than the one that was chosen would be no service.
        raise EngineUnavailableError(
            f"{why}, your default one, does not answer: {error.what}",
            hint="`podman system connection list` shows your connections, `podman system connection default NAME` chooses another,"
            " and CONTAINER_HOST=unix:///run/user/$UID/podman/podman.sock names an engine for one run.",
        ) from None


def _reach_service(program: str, deadline: float) -> Podman:
    why = f"a transient service (ends by itself after {podman_service.idle_seconds()} idle seconds)"
    endpoint = podman_service.service(program)
    try:
        return _reach(endpoint, why, deadline, program)
    except EngineUnavailableError:
        # It was just ending, idle, when we came; or it failed, and the second try says how.
        endpoint = podman_service.service(program)
    try:
        return _reach(endpoint, why, deadline, program)
    except EngineUnavailableError as error:
        raise EngineUnavailableError(
            f"Podman's service does not start: {error.what}",
            hint=f"{podman_service.log_tail(endpoint)}\n`podman info` should work first.".strip(),
        ) from None


def _reach(endpoint: Endpoint, why: str, deadline: float, program: str | None = None) -> Podman:
    client = Client(endpoint, PREFIX)
    try:
        headers, rootless = ping(client, deadline)
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
    info = EngineInfo(
        backend="podman",
        version=version,
        rootless=rootless,
        remote=endpoint.remote,
        endpoint=endpoint.url,
        found=why,
    )
    return Podman(client, info, program)


class Podman(HttpEngine):
    """A `buildr.engines.protocol.Backend` for Podman.

    Args:
        client: to the engine.
        info: what was learnt while connecting.
        program: path of ``podman``, when the service is one that we start ourselves.
    """

    _volumes = "/json"

    def __init__(self, client: Client, info: EngineInfo, program: str | None = None) -> None:
        super().__init__(client, info)
        self._program = program
        self._without_input: set[str] = set()  # ids of containers
        if program is not None:
            # Containers outlive the service: one that is killed, or has gone idle, can be started again.
            client.revive = lambda: podman_service.service(program)

    def details(self) -> EngineDetails:
        """See `buildr.engines.protocol.Backend.details`."""
        if self._client.endpoint.tls:  # which podman-py does not speak
            return self._client.request("GET", "/info", seconds=ANSWER_SECONDS).json(read_details)
        return self._sdk(lambda podman: read_details(_info(podman)))

    def build(self, request: BuildRequest, on_event: OnEvent) -> str:
        """See `buildr.engines.protocol.Backend.build`."""
        if self._program is None:
            return super().build(request, on_event)
        from buildr_backends.podman.build import BuildService

        with (
            BuildService(self._program, lambda: working_containers(self._client)) as service,
            contextlib.closing(Podman(Client(service.endpoint, PREFIX), self._info)) as builder,
        ):
            return builder.build(request, on_event)

    def appends(self) -> bool:
        """See `buildr.engines.protocol.Backend.appends`."""
        return True

    def left_builds(self) -> Sequence[str]:
        """See `buildr.engines.protocol.Backend.left_builds`."""
        from buildr_backends.podman.private_service import left_apart

        return [service.endpoint.path for service in left_apart()]

    def end_build(self, build: str) -> None:
        """See `buildr.engines.protocol.Backend.end_build`."""
        from buildr_backends.podman import build as podman_build
        from buildr_backends.podman.private_service import left_apart

        for service in left_apart():
            if service.endpoint.path == build:
                podman_build.end(service)

    def pull(self, reference: str, on_event: OnEvent) -> Image:
        """See `buildr.engines.protocol.Backend.pull`."""
        from buildr_backends.shared import credentials, transfer

        # Plain HTTP: podman-py's pull sends tlsVerify=true whatever registries.conf says.
        try:
            response = self._client.request(
                "POST",
                "/images/pull",
                query={"reference": reference},
                headers=credentials.authorization(reference, podman=True),
                seconds=None,
            )
        except EngineError as error:
            raise transfer.pull_error(reference, error.message) from None
        transfer.follow_pull(reference, documents(response.chunks()), on_event)
        image = self.image(reference)
        if image is None:
            raise transfer.pull_error(reference, "the engine named no reason")
        return image

    def push(self, request: PushRequest, on_event: OnEvent) -> str:
        """See `buildr.engines.protocol.Backend.push`."""
        from buildr_backends.shared import credentials, transfer

        # Plain HTTP: podman-py's push throws the answer's stream away, errors included.
        try:
            response = self._client.request(
                "POST",
                f"/images/{quote(request.image)}/push",
                query={"destination": request.reference, "quiet": "false"},
                headers=credentials.authorization(request.reference, podman=True),
                seconds=None,
            )
        except EngineError as error:
            raise transfer.push_error(request.reference, error.message) from None
        return transfer.follow_push(request.reference, documents(response.chunks()), on_event)

    def create(self, spec: ContainerSpec) -> str:
        """See `buildr.engines.protocol.Backend.create`."""
        container = super().create(spec)
        if not spec.stdin:
            self._without_input.add(container)
        return container

    def health(self, container: str) -> Health:
        """See `buildr.engines.protocol.Backend.health`."""
        # 409: it does not run; 500: it has no health check, or that could not be run.
        response = self._client.request(
            "GET", f"/containers/{container}/healthcheck", ok=(200, 404, 409, 500)
        )
        return found_health(response, lambda found: found)

    def wait(self, container: str) -> int:
        """See `buildr.engines.protocol.Backend.wait`."""
        # libpod's own wait returns only when the container's monitor has cleaned up, 0.1 s after the status is
        # known. An end of the streams means that the status comes within milliseconds, so look for it first.
        for pause in _STATUS_PAUSES:
            time.sleep(pause)
            state = self.state(container)
            if state is not None and state.exit_code is not None:
                return state.exit_code
        return self._wait_for_end(container, lambda seconds: self._wait(container, seconds=seconds))

    def _wait(self, container: str, *, seconds: float) -> int:
        return self._client.request(
            "POST",
            f"/containers/{container}/wait",
            query={"condition": "stopped", "interval": _WAIT_INTERVAL},
            seconds=seconds,
        ).json(int)

    def remove(self, container: str) -> None:
        """See `buildr.engines.protocol.Backend.remove`."""
        try:
            super().remove(container)
        except EngineError as error:
            if _ENDING not in error.message:
                raise
            # It ended while libpod was about to kill it. It can be removed when its monitor has cleaned up.
            self._wait(container, seconds=_CLEAN_UP_SECONDS)
            super().remove(container)

    def _sdk(self, use: Callable[[PodmanClient], T]) -> T:
        """Call podman-py, and turn what it raises into ours: the only place where it is used."""
        from podman import PodmanClient

        url = self._client.endpoint.url
        try:
            with PodmanClient(base_url=url, timeout=ANSWER_SECONDS) as podman:
                podman.api.trust_env = False  # a proxy for HTTP is none for an engine
                return use(podman)
        except sdk_errors() as error:
            raise EngineError(f"Podman at {url} failed: {error}", message=str(error)) from None

    # What differs from Docker ---------------------------------------------------------------------

    def _attach(self, path: str, *, tty: bool) -> Attachment:
        if tty or path.split("/")[2] in self._without_input:
            # One connection: the monitor writes all output to each, so a second one halves the throughput.
            return super()._attach(path, tty=tty)
        # When a guest ends with input unread, its monitor resets the connection that the input came by. Podman
        # stops reading output from there, and writes the error to standard error as if it were the guest's.
        return attach.attach_split(self._client, path)

    def _build_query(self) -> dict[str, str]:
        # Without `layers` Podman keeps no cache; the base image has been pulled already.
        return {
            "layers": "1",
            "pullpolicy": "never",
            # What Docker builds, too: OCI's format has no place for HEALTHCHECK, SHELL and ONBUILD.
            "outputformat": "application/vnd.docker.distribution.manifest.v2+json",
            "identitylabel": "0",
        }

    def _stored(self, image: str) -> Stored:
        from buildr_backends.shared.append_layer import read_stored

        return self._client.request("GET", f"/images/{quote(image)}/json").json(
            lambda found: read_stored(found, found.get("History") or [])
        )

    def _save_query(self) -> dict[str, str]:
        return {"format": "docker-archive"}

    def _archive_query(self) -> dict[str, str]:
        # Otherwise all of it goes to the user that the container runs as.
        return {"copyUIDGID": "false"}

    def _remove_query(self) -> dict[str, str]:
        return {"force": "1", "v": "1", "timeout": "0"}

    def _create_query(self, spec: ContainerSpec) -> dict[str, str]:  # noqa: ARG002 - libpod takes all of it in the body
        return {}

    def _logs_are_framed(self, container: str) -> bool:  # noqa: ARG002 - libpod frames logs of terminals too
        return True

    def _start_status(self, container: str, error: EngineError) -> int | None:  # noqa: ARG002 - libpod keeps no status of it
        # The texts of libpod's own error values (libpod/define/errors.go), which `podman run` goes by too.
        if "OCI runtime attempted to invoke a command that was not found" in error.message:
            return 127
        if "OCI permission denied" in error.message:
            return 126
        return None

    def _own_variables(self, spec: ContainerSpec) -> list[str]:
        """Return the variables that Podman would set of itself, and Docker does not."""
        of_image = spec.image_variables
        if of_image is None:
            image = self.image(spec.image)
            of_image = tuple(line.partition("=")[0] for line in image.environment) if image else ()
        found = ("container",) if spec.tty else ("container", "TERM")
        return [name for name in found if name not in of_image]

    def _create_body(self, spec: ContainerSpec) -> dict[str, Any]:
        body: dict[str, Any] = {
            "image": spec.image,
            "env": dict(spec.environment),
            "unsetenv": self._own_variables(spec),
            "manage_password": False,  # no entry in /etc/passwd for whoever the guest runs as
            "shm_size": spec.shm_size or _SHM_BYTES,
            "labels": dict(spec.labels),
            "terminal": spec.tty,
            "stdin": spec.stdin,
            **({} if spec.logged else {"log_configuration": {"driver": "none"}}),
            "no_new_privileges": True,
            "cap_drop": dropped_capabilities(spec),
            "stop_timeout": max(0, round(spec.grace_seconds)),
            "portmappings": [
                {
                    "host_ip": port.host_ip,
                    "host_port": port.host,
                    "container_port": port.container,
                    "protocol": port.protocol,
                }
                for port in spec.ports
            ],
            "mounts": [
                {
                    "type": "bind",
                    "source": mount.source,
                    "destination": mount.target,
                    "options": ["rbind", "ro" if mount.read_only else "rw"]
                    + ([mount.relabel] if mount.relabel else []),
                }
                for mount in spec.mounts
                if mount.kind == "bind"
            ],
            "volumes": [
                {
                    "Name": mount.source,
                    "Dest": mount.target,
                    "Options": ["ro" if mount.read_only else "rw"]
                    + ([mount.relabel] if mount.relabel else []),
                }
                for mount in spec.mounts
                if mount.kind == "volume"
            ],
        }
        if spec.name:
            body["name"] = spec.name
        if spec.entrypoint:
            body["entrypoint"] = list(spec.entrypoint)
        if spec.command:
            body["command"] = list(spec.command)
        if spec.workdir:
            body["work_dir"] = spec.workdir
        if spec.user:
            body["user"] = spec.user
        body.update(_life(spec))
        body.update(_networks(spec.networks))
        body.update(_limits(spec))
        if devices := _devices(spec):
            body["devices"] = [{"path": device} for device in devices]
        if spec.hardened:
            body["read_only_filesystem"] = True
        # Podman would copy into them what the image has there.
        body["mounts"] += [
            {"type": "tmpfs", "destination": path, "options": [*options, "notmpcopyup"]}
            for path, options in tmpfs_options(spec).items()
        ]
        return body


def _networks(networks: Sequence[NetworkSpec]) -> dict[str, Any]:
    if not networks:
        return {}
    if networks[0].name in {"none", "host"}:
        return {"netns": {"nsmode": networks[0].name}}
    names = {
        network.name: {"aliases": list(network.aliases)} if network.aliases else {}
        for network in networks
    }
    return {"netns": {"nsmode": "bridge"}, "networks": names}


def _limits(spec: ContainerSpec) -> dict[str, Any]:
    resources: dict[str, Any] = {}
    if spec.cpus:
        resources["cpu"] = {"period": 100_000, "quota": round(spec.cpus * 100_000)}
    if spec.memory:
        # As `podman run --memory` does: swap as large again.
        resources["memory"] = {"limit": spec.memory, "swap": 2 * spec.memory}
    if spec.pids_limit:
        resources["pids"] = {"limit": spec.pids_limit}
    processes = [
        {"type": limit.name, "soft": limit.soft % _ULIMITS, "hard": limit.hard % _ULIMITS}
        for limit in spec.ulimits
    ]
    found = {"resource_limits": resources, "r_limits": processes}
    return {name: value for name, value in found.items() if value}


def _devices(spec: ContainerSpec) -> list[str]:
    from buildr.options.devices import cdi_names

    found = [
        f"{device.host}:{device.container}:{device.access}" if device.container else device.host
        for device in spec.devices
    ]
    return found + cdi_names(spec.gpus)


def _life(spec: ContainerSpec) -> dict[str, Any]:
    """Return what Podman does about a container while and after it runs."""
    found: dict[str, Any] = {}
    if spec.health is not None:
        found["healthconfig"] = health_config(spec.health)
    if spec.restart != "no":
        found["restart_policy"], tries = restart_policy(spec)
        if tries:
            found["restart_tries"] = tries
    return found


def read_details(found: Any) -> EngineDetails:
    """Read what ``podman info`` tells."""
    host, store = found["host"], found["store"]
    return EngineDetails(
        storage_driver=store.get("graphDriverName", ""),
        cgroup_version=str(host.get("cgroupVersion", "")).removeprefix("v"),
        oci_runtime=(host.get("ociRuntime") or {}).get("name", ""),
        network=host.get("networkBackend", ""),
        kernel=host.get("kernel", ""),
        user_ids=sum(row["size"] for row in (host.get("idMappings") or {}).get("uidmap") or ()),
    )


def sdk_errors() -> tuple[type[Exception], ...]:
    """Return what podman-py raises: its own classes, its transport's, and what answers of another form lead to."""
    from http.client import HTTPException

    from podman.errors import APIError, DockerException, StreamParseError
    from urllib3.exceptions import HTTPError

    of_form = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
    return (
        APIError,
        DockerException,
        StreamParseError,
        HTTPException,
        HTTPError,
        OSError,
        *of_form,
    )


def _info(podman: PodmanClient) -> Any:
    return podman.info()  # type: ignore[no-untyped-call]  # podman-py has no annotation there
