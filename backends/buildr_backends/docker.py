"""The Docker backend: any dockerd from 20.10, rootless or not."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Any, TypeVar

from buildr.backend import EngineDetails, EngineInfo
from buildr.errors import (
    BackendError,
    EngineError,
    EngineLostError,
    EngineNotFoundError,
    EngineTooOldError,
    EngineUnavailableError,
)
from buildr_backends import _docker_endpoint
from buildr_backends._engine import HttpEngine
from buildr_backends._http import Client
from buildr_backends._peer import peer_uid

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker import APIClient

    from buildr.backend import ContainerSpec, Image, OnEvent, PushRequest, Target
    from buildr_backends._http import Endpoint

T = TypeVar("T")

OLDEST = (1, 41)
"""The API of Docker 20.10."""
_NEWEST = (1, 44)  # the newest API this module was written for; Docker 29 serves nothing older
_ANSWER_SECONDS = 8.0  # to the first request, which a socket nobody accepts on never gives
_HOST_NAME = "host.containers.internal"  # the name that Podman gives to the host
_GATEWAY = "host-gateway"


def connect(target: Target) -> Docker:
    """Reach Docker: the named address or context, else the sockets that exist.

    Raises:
        EngineNotFoundError: there is no socket.
        EngineUnavailableError: none answers.
        EngineTooOldError: Docker is older than 20.10.
    """
    if chosen := _docker_endpoint.explicit(target.endpoint):
        return _reach(*chosen)
    failure: BackendError | None = None
    for endpoint, why in _docker_endpoint.discovered():
        try:
            return _reach(endpoint, why)
        except (EngineUnavailableError, EngineLostError) as error:
            failure = failure or error
    if failure is not None:
        if _forbidden():
            failure = EngineUnavailableError(
                "you may not open Docker's socket /var/run/docker.sock",
                hint="Its owner decides who may (membership in the group `docker` is as good as root)."
                "\nRootless Podman needs no such right: BUILDR_BACKEND=podman.",
            )
        raise failure
    raise EngineNotFoundError(
        "Docker is not running: there is no /var/run/docker.sock, no rootless socket, no DOCKER_HOST",
        hint="Start it (sudo systemctl start docker), or use Podman: BUILDR_BACKEND=podman.",
    )


def _forbidden() -> bool:
    path = "/var/run/docker.sock"
    return os.path.exists(path) and not os.access(path, os.R_OK | os.W_OK)


def _reach(endpoint: Endpoint, why: str) -> Docker:
    client = Client(endpoint)
    try:
        response = client.request("GET", "/_ping", seconds=_ANSWER_SECONDS)
        response.read()
    except BackendError:
        client.close()
        raise
    api = tuple(int(part) for part in response.headers.get("api-version", "0.0").split("."))
    server = response.headers.get("server", "")
    version = match[1] if (match := re.match(r"Docker/(\d[^ ]*)", server)) else server
    if api < OLDEST:
        raise EngineTooOldError(
            f"Docker {version} at {endpoint.url} is too old (API {'.'.join(map(str, api))})",
            hint="Buildr needs Docker 20.10 or newer.",
        )
    client.prefix = "/v{}.{}".format(*min(api, _NEWEST))
    info = EngineInfo(
        backend="docker",
        version=version,
        rootless=peer_uid(endpoint) != 0,
        remote=endpoint.remote,
        endpoint=endpoint.url,
        found=why,
    )
    return Docker(client, info)


class Docker(HttpEngine):
    """A `buildr.backend.Backend` for Docker."""

    def details(self) -> EngineDetails:
        """See `buildr.backend.Backend.details`."""
        found: Any = self._sdk(lambda docker: docker.info())
        return EngineDetails(
            storage_driver=found.get("Driver", ""),
            cgroup_version=found.get("CgroupVersion", ""),
            oci_runtime=found.get("DefaultRuntime", ""),
            network="libnetwork",
            kernel=found.get("KernelVersion", ""),
        )

    def pull(self, reference: str, on_event: OnEvent) -> Image:
        """See `buildr.backend.Backend.pull`."""
        from buildr_backends import _credentials, _transfer

        auth = _credentials.credentials(reference, podman=False)
        try:
            self._sdk(
                lambda docker: _transfer.follow_pull(
                    reference,
                    docker.pull(reference, stream=True, decode=True, auth_config=auth),
                    on_event,
                )
            )
        except EngineError as error:
            raise _transfer.pull_error(reference, error.message) from None
        image = self.image(reference)
        if image is None:
            raise _transfer.pull_error(reference, "the engine named no reason")
        return image

    def push(self, request: PushRequest, on_event: OnEvent) -> str:
        """See `buildr.backend.Backend.push`."""
        from buildr_backends import _credentials, _transfer

        self.tag(request.image, request.reference)
        auth = _credentials.credentials(request.reference, podman=False)
        try:
            return self._sdk(
                lambda docker: _transfer.follow_push(
                    request.reference,
                    docker.push(request.reference, stream=True, decode=True, auth_config=auth),
                    on_event,
                )
            )
        except EngineError as error:
            raise _transfer.push_error(request.reference, error.message) from None

    def wait(self, container: str) -> int:
        """See `buildr.backend.Backend.wait`."""
        query = {"condition": "not-running"}
        answer: Any = self._client.request(
            "POST", f"/containers/{container}/wait", query=query, seconds=None
        ).json()
        return int(answer["StatusCode"])

    def _sdk(self, use: Callable[[APIClient], T]) -> T:
        """Call docker-py, and turn what it raises into ours: the only place where it is used."""
        from docker import APIClient
        from docker.errors import APIError, DockerException
        from docker.tls import TLSConfig
        from requests import RequestException

        endpoint = self._client.endpoint
        tls: Any = None
        if endpoint.tls_directory is not None:
            directory = endpoint.tls_directory
            tls = TLSConfig(
                client_cert=(f"{directory}/cert.pem", f"{directory}/key.pem"),
                ca_cert=f"{directory}/ca.pem",
                verify=endpoint.tls_verify,
            )
        try:
            with contextlib.closing(
                APIClient(endpoint.url, version=self._client.prefix.removeprefix("/v"), tls=tls)
            ) as docker:
                return use(docker)
        except APIError as error:
            status = error.status_code or 0
            message = str(error.explanation or error)
            raise EngineError(
                f"Docker at {endpoint.url} refused: {message}", status=status, message=message
            ) from None
        except (DockerException, RequestException) as error:
            raise EngineLostError(f"Docker at {endpoint.url} failed: {error}") from None

    # What differs from Podman ---------------------------------------------------------------------

    def _build_query(self) -> dict[str, str]:
        return {"version": "1"}  # the builder that every supported version has

    def _save_query(self) -> dict[str, str]:
        return {}

    def _remove_query(self) -> dict[str, str]:
        return {"force": "1", "v": "1"}

    def _logs_are_framed(self, container: str) -> bool:
        found: Any = self._client.request("GET", f"/containers/{container}/json").json()
        return not found["Config"]["Tty"]

    def _start_status(self, container: str, error: EngineError) -> int | None:  # noqa: ARG002 - Docker keeps it with the container
        found: Any = self._client.request("GET", f"/containers/{container}/json").json()
        status = found["State"].get("ExitCode")
        return status if status in (126, 127) else None

    def _create_body(self, spec: ContainerSpec) -> dict[str, Any]:
        host: dict[str, Any] = {
            "PortBindings": _port_bindings(spec),
            "Mounts": [_mount(mount) for mount in spec.mounts if not mount.relabel],
            # The `Mounts` field knows no SELinux labels, the older form does.
            "Binds": [
                f"{mount.source}:{mount.target}:{'ro' if mount.read_only else 'rw'},{mount.relabel}"
                for mount in spec.mounts
                if mount.relabel
            ],
            "SecurityOpt": ["no-new-privileges"],
            "ExtraHosts": [f"{_HOST_NAME}:{_GATEWAY}"],
        }
        body: dict[str, Any] = {
            "Image": spec.image,
            "Env": [f"{key}={value}" for key, value in spec.environment.items()],
            "Labels": dict(spec.labels),
            "Tty": spec.tty,
            "OpenStdin": True,
            "StdinOnce": True,
            "AttachStdin": True,
            "AttachStdout": True,
            "AttachStderr": True,
            "StopTimeout": max(0, round(spec.grace_seconds)),
            "ExposedPorts": {f"{port.container}/{port.protocol}": {} for port in spec.ports},
            "HostConfig": host,
        }
        if spec.command:
            body["Cmd"] = list(spec.command)
        if spec.workdir:
            body["WorkingDir"] = spec.workdir
        if spec.user:
            body["User"] = spec.user
        if spec.cpus:
            host["NanoCpus"] = round(spec.cpus * 1e9)
        if spec.memory:
            host["Memory"] = spec.memory
        if spec.hardened:
            host["CapDrop"] = ["ALL"]
            host["ReadonlyRootfs"] = True
            host["Tmpfs"] = {
                path: "rw,nosuid,nodev,mode=1777"
                for path in ("/tmp", spec.home)  # noqa: S108 - inside the container
                if path
            }
        return body


def _port_bindings(spec: ContainerSpec) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in spec.ports:
        row = {"HostIp": port.host_ip, "HostPort": str(port.host) if port.host else ""}
        bindings.setdefault(f"{port.container}/{port.protocol}", []).append(row)
    return bindings


def _mount(mount: Any) -> dict[str, Any]:
    return {
        "Type": mount.kind,
        "Source": mount.source,
        "Target": mount.target,
        "ReadOnly": mount.read_only,
    }
