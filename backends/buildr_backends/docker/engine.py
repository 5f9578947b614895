"""The Docker backend: any dockerd from 20.10, rootless or not."""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Any

from buildr.engines.container_spec import (
    ContainerSpec,
    MountSpec,
    dropped_capabilities,
    health_config,
    restart_policy,
    tmpfs_options,
)
from buildr.engines.records import EngineDetails, EngineInfo
from buildr.errors import (
    BackendError,
    ContainerError,
    EngineError,
    EngineLostError,
    EngineNotFoundError,
    EngineTooOldError,
    EngineUnavailableError,
)
from buildr_backends.docker import endpoint as docker_endpoint
from buildr_backends.http.client import ANSWER_SECONDS, Client
from buildr_backends.http.probe import deadline_of, first_that_answers, ping, version_number
from buildr_backends.http.urlquote import quote
from buildr_backends.shared.engine import HttpEngine, found_health, hint_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from docker import APIClient

    from buildr.engines.container_spec import NetworkSpec
    from buildr.engines.protocol import Attachment
    from buildr.engines.records import Health, Image, OnEvent, PushRequest, Target
    from buildr_backends.http.endpoint import Endpoint
    from buildr_backends.shared.append_layer import Stored

OLDEST = (1, 41)
"""The API of Docker 20.10."""
_NEWEST = (1, 44)  # the newest API this module was written for; Docker 29 serves nothing older
_HOST_NAME = "host.containers.internal"  # the name that Podman gives to the host
_GATEWAY = "host-gateway"


def connect(target: Target) -> Docker:
    """Reach Docker: the named address or context, else the sockets that exist.

    All attempts together last until the target's deadline, or `buildr_backends.http.probe.REACH_SECONDS`.

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
        headers, rootless = ping(client, deadline)
        server = headers.get("server", "")
        if "libpod-api-version" in headers:
            raise EngineUnavailableError(
                f"{endpoint.url} answers, but is Podman",
                hint=f"For Podman: BUILDR_BACKEND=podman and CONTAINER_HOST={endpoint.url}",
            )
        api = version_number(headers.get("api-version", ""))
        if api is None:
            raise EngineUnavailableError(
                f"{endpoint.url} answers, but is not Docker", hint="`buildr doctor` tells what is."
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
    info = EngineInfo(
        backend="docker",
        version=version,
        rootless=rootless,
        remote=endpoint.remote,
        endpoint=endpoint.url,
        found=why,
    )
    return Docker(client, info)


class Docker(HttpEngine):
    """A `buildr.engines.protocol.Backend` for Docker.

    Args:
        client: to the engine.
        info: what was learnt while connecting.
    """

    def __init__(self, client: Client, info: EngineInfo) -> None:
        super().__init__(client, info)
        self._framed: dict[
            str, bool
        ] = {}  # of containers that were attached to and not yet removed

    def details(self) -> EngineDetails:
        """See `buildr.engines.protocol.Backend.details`."""
        with self._sdk(ANSWER_SECONDS) as docker, self._mapped():
            return read_details(docker.info())

    def appends(self) -> bool:
        """See `buildr.engines.protocol.Backend.appends`."""
        # containerd takes no archive that leaves something out.
        return not self._client.request("GET", "/info").json(stores_with_containerd)

    def left_builds(self) -> Sequence[str]:
        """See `buildr.engines.protocol.Backend.left_builds`: dockerd ends a build that nobody follows."""
        return ()

    def end_build(self, build: str) -> None:
        """See `buildr.engines.protocol.Backend.end_build`."""

    def pull(self, reference: str, on_event: OnEvent) -> Image:
        """See `buildr.engines.protocol.Backend.pull`."""
        from buildr_backends.shared import credentials, transfer

        # Never None: docker-py would look for a login by its own rules, and fail over a broken helper.
        auth = credentials.credentials(reference, podman=False) or {}
        try:
            with self._sdk() as docker:
                progress = self._documents(
                    lambda: docker.pull(reference, stream=True, decode=True, auth_config=auth)
                )
                transfer.follow_pull(reference, progress, on_event)
        except EngineError as error:
            raise transfer.pull_error(reference, error.message) from None
        image = self.image(reference)
        if image is None:
            raise transfer.pull_error(reference, "the engine named no reason")
        return image

    def push(self, request: PushRequest, on_event: OnEvent) -> str:
        """See `buildr.engines.protocol.Backend.push`."""
        from buildr_backends.shared import credentials, transfer

        self.tag(request.image, request.reference)
        auth = credentials.credentials(request.reference, podman=False) or {}
        try:
            with self._sdk() as docker:
                progress = self._documents(
                    lambda: docker.push(
                        request.reference, stream=True, decode=True, auth_config=auth
                    )
                )
                return transfer.follow_push(request.reference, progress, on_event)
        except EngineError as error:
            raise transfer.push_error(request.reference, error.message) from None

    def create(self, spec: ContainerSpec) -> str:
        """See `buildr.engines.protocol.Backend.create`."""
        if new := [mount.source for mount in spec.mounts if self._is_new_volume(mount)]:
            self._make_volumes(new, spec)
        container = super().create(spec)
        # Docker takes one network at the creation, the first; API 1.44 and newer take them all.
        for network in spec.networks[1:]:
            self._join(container, network)
        return container

    def _join(self, container: str, network: NetworkSpec) -> None:
        body = {"Container": container, "EndpointConfig": {"Aliases": list(network.aliases)}}
        try:
            self._client.request(
                "POST", f"/networks/{quote(network.name)}/connect", json_body=body
            ).read()
        except EngineError as error:
            self.remove(container)
            raise ContainerError(
                f"the container cannot join the network {network.name}: {error.message}",
                hint=hint_of(error),
            ) from None

    def _is_new_volume(self, mount: MountSpec) -> bool:
        if mount.kind != "volume":
            return False
        response = self._client.request("GET", f"/volumes/{quote(mount.source)}", ok=(200, 404))
        response.read()
        return response.status == 404

    def _make_volumes(self, names: list[str], spec: ContainerSpec) -> None:
        """Make volumes that belong to whoever the guest runs as, as Podman does; Docker's are root's.

        A container that never starts shows them, and an archive that is unpacked into it gives them their owner.
        Where the image has something at a volume's target, Docker copies it later, its owner included.
        """
        image = None if spec.user else self.image(spec.image)
        uid, _, gid = (spec.user or (image.user if image else "")).partition(":")
        if not uid.isdecimal() or not int(uid):
            return
        places = {f"buildr-volume-{index}": name for index, name in enumerate(names)}
        helper = super().create(
            ContainerSpec(
                image=spec.image,
                command=("true",),
                labels=spec.labels,
                mounts=tuple(
                    MountSpec(kind="volume", source=name, target=f"/{place}")
                    for place, name in places.items()
                ),
            )
        )
        try:
            owner = (int(uid), int(gid) if gid.isdecimal() else 0)
            self.put_archive(helper, "/", _directories(places, *owner))
        finally:
            self.remove(helper)

    def _volume_sizes(self) -> dict[str, int]:
        query = {"type": "volume"}  # engines before 23.0 tell of all the rest, too
        return self._client.request("GET", "/system/df", query=query).json(read_volume_sizes)

    def attach(self, container: str, *, tty: bool) -> Attachment:
        """See `buildr.engines.protocol.Backend.attach`."""
        self._framed[container] = not tty
        return super().attach(container, tty=tty)

    def remove(self, container: str) -> None:
        """See `buildr.engines.protocol.Backend.remove`."""
        super().remove(container)
        self._framed.pop(container, None)

    def health(self, container: str) -> Health:
        """See `buildr.engines.protocol.Backend.health`."""
        response = self._client.request("GET", f"/containers/{container}/json", ok=(200, 404))
        return found_health(response, lambda found: found["State"].get("Health"))

    def wait(self, container: str) -> int:
        """See `buildr.engines.protocol.Backend.wait`."""
        return self._wait_for_end(container, lambda seconds: self._wait(container, seconds))

    def _wait(self, container: str, seconds: float) -> int:
        query = {"condition": "not-running"}
        return self._client.request(
            "POST", f"/containers/{container}/wait", query=query, seconds=seconds
        ).json(read_wait)

    # docker-py ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _sdk(self, seconds: float | None = None) -> Iterator[APIClient]:
        """Open a client of docker-py's: the only place where it is used.

        Args:
            seconds: how long each wait for the engine may last; ``None``: for ever.
        """
        from docker import APIClient
        from docker.tls import TLSConfig

        endpoint = self._client.endpoint
        with contextlib.ExitStack() as stack:
            with self._mapped():
                tls: Any = False
                if endpoint.tls:
                    certificate, key = endpoint.tls_file("cert"), endpoint.tls_file("key")
                    tls = TLSConfig(
                        client_cert=(certificate, key) if certificate and key else None,
                        ca_cert=endpoint.tls_file("ca"),
                        verify=endpoint.tls_verify,
                    )
                version = self._client.prefix.removeprefix("/v")
                docker = APIClient(endpoint.url, version=version, tls=tls, timeout=seconds)  # type: ignore[arg-type]  # requests takes None
                stack.callback(docker.close)
                docker.trust_env = False  # a proxy for HTTP is none for an engine
            yield docker

    def _documents(self, start: Callable[[], Any]) -> Iterator[object]:
        """Yield what a call of docker-py streams; only its own errors are turned into ours."""
        with self._mapped():
            documents = iter(start())
        while True:
            with self._mapped():
                try:
                    document = next(documents)
                except StopIteration:
                    return
            yield document

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        """Turn what docker-py raises into our errors."""
        from docker.errors import APIError, DockerException
        from requests import Timeout
        from urllib3.exceptions import TimeoutError as PoolTimeout

        url = self._client.endpoint.url
        try:
            yield
        except APIError as error:
            message = str(error.explanation or error)
            raise EngineError(
                f"Docker at {url} refused: {message}",
                status=error.status_code or 0,
                message=message,
            ) from None
        except DockerException as error:
            raise EngineError(f"Docker at {url} failed: {error}", message=str(error)) from None
        except (Timeout, PoolTimeout, TimeoutError):
            raise EngineUnavailableError(f"Docker at {url} does not answer") from None
        except sdk_errors() as error:
            raise EngineLostError(f"Docker at {url} failed: {error}") from None

    # What differs from Podman ---------------------------------------------------------------------

    def _build_query(self) -> dict[str, str]:
        return {"version": "1"}  # the builder that every supported version has

    def _stored(self, image: str) -> Stored:
        from buildr_backends.shared.append_layer import docker_history, read_stored

        rows = self._client.request("GET", f"/images/{quote(image)}/history").json(list)
        return self._client.request("GET", f"/images/{quote(image)}/json").json(
            lambda found: read_stored(found, docker_history(rows, len(found["RootFS"]["Layers"])))
        )

    def _save_query(self) -> dict[str, str]:
        return {}

    def _archive_query(self) -> dict[str, str]:
        return {}

    def _remove_query(self) -> dict[str, str]:
        return {"force": "1", "v": "1"}

    def _create_query(self, spec: ContainerSpec) -> dict[str, str]:
        return {"name": spec.name} if spec.name else {}

    def _logs_are_framed(self, container: str) -> bool:
        if container in self._framed:
            return self._framed[container]
        return self._client.request("GET", f"/containers/{container}/json").json(
            lambda found: not found["Config"]["Tty"]
        )

    def _start_status(self, container: str, error: EngineError) -> int | None:  # noqa: ARG002 - Docker keeps it with the container
        try:
            status = self._client.request("GET", f"/containers/{container}/json").json(
                lambda found: int(found["State"]["ExitCode"])
            )
        except BackendError:
            return None  # the failure that is asked about says more than this one
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
            "CapDrop": dropped_capabilities(spec),
            "ExtraHosts": [f"{_HOST_NAME}:{_GATEWAY}"],
            **({} if spec.logged else {"LogConfig": {"Type": "none"}}),
        }
        body: dict[str, Any] = {
            "Image": spec.image,
            "Env": [f"{key}={value}" for key, value in spec.environment.items()],
            "Labels": dict(spec.labels),
            "Tty": spec.tty,
            "OpenStdin": spec.stdin,
            "StdinOnce": spec.stdin,
            "AttachStdin": spec.stdin,
            "AttachStdout": True,
            "AttachStderr": True,
            "StopTimeout": max(0, round(spec.grace_seconds)),
            "ExposedPorts": {f"{port.container}/{port.protocol}": {} for port in spec.ports},
            "HostConfig": host,
        }
        if spec.entrypoint:
            body["Entrypoint"] = list(spec.entrypoint)
        if spec.command:
            body["Cmd"] = list(spec.command)
        if spec.workdir:
            body["WorkingDir"] = spec.workdir
        if spec.user:
            body["User"] = spec.user
        if spec.health is not None:
            body["Healthcheck"] = health_config(spec.health)
        host.update(_restart(spec))
        for network in spec.networks[:1]:
            host["NetworkMode"] = network.name
            if network.aliases:
                endpoint = {"Aliases": list(network.aliases)}
                body["NetworkingConfig"] = {"EndpointsConfig": {network.name: endpoint}}
        host.update(_devices(spec))
        host.update(_limits(spec))
        if spec.hardened:
            host["ReadonlyRootfs"] = True
        if directories := tmpfs_options(spec):
            host["Tmpfs"] = {path: ",".join(options) for path, options in directories.items()}
        return body


def _restart(spec: ContainerSpec) -> dict[str, Any]:
    if spec.restart == "no":
        return {}
    name, tries = restart_policy(spec)
    return {"RestartPolicy": {"Name": name, "MaximumRetryCount": tries}}


def stores_with_containerd(found: Any) -> bool:
    """Whether an engine keeps its images with containerd, as ``docker info`` tells.

    https://docs.docker.com/engine/storage/containerd/
    """
    return any("io.containerd.snapshotter" in row[1] for row in found.get("DriverStatus") or ())


def read_details(found: Any) -> EngineDetails:
    """Read what ``docker info`` tells."""
    return EngineDetails(
        storage_driver=found.get("Driver", ""),
        cgroup_version=found.get("CgroupVersion", ""),
        oci_runtime=found.get("DefaultRuntime", ""),
        network="libnetwork",
        kernel=found.get("KernelVersion", ""),
    )


def read_volume_sizes(found: Any) -> dict[str, int]:
    """Read how many bytes volumes have, by their names; a negative number is none."""
    sizes = {
        row["Name"]: (row.get("UsageData") or {}).get("Size", -1)
        for row in found.get("Volumes") or ()
    }
    return {name: size for name, size in sizes.items() if size >= 0}


def read_wait(answer: Any) -> int:
    """Read how a container ended.

    Raises:
        EngineError: Docker could not wait for it.
    """
    if error := (answer.get("Error") or {}).get("Message"):
        raise EngineError(f"Docker could not wait for the container: {error}", message=error)
    return int(answer["StatusCode"])


def sdk_errors() -> tuple[type[Exception], ...]:
    """Return what docker-py raises: its own classes, its transport's, and what answers of another form lead to."""
    from http.client import HTTPException

    from docker.errors import DockerException, StreamParseError
    from urllib3.exceptions import HTTPError

    of_form = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
    return (DockerException, StreamParseError, HTTPException, HTTPError, OSError, *of_form)


def _devices(spec: ContainerSpec) -> dict[str, Any]:
    requests: list[dict[str, Any]] = []
    if names := [device.host for device in spec.devices if not device.container]:
        requests.append({"Driver": "cdi", "DeviceIDs": names})
    if isinstance(spec.gpus, int):
        requests.append({"Count": spec.gpus, "Capabilities": [["gpu"]]})
    elif spec.gpus:
        requests.append({"DeviceIDs": list(spec.gpus), "Capabilities": [["gpu"]]})
    paths = [
        {
            "PathOnHost": device.host,
            "PathInContainer": device.container,
            "CgroupPermissions": device.access,
        }
        for device in spec.devices
        if device.container
    ]
    found = {"Devices": paths, "DeviceRequests": requests}
    return {name: value for name, value in found.items() if value}


def _limits(spec: ContainerSpec) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if spec.pids_limit:
        found["PidsLimit"] = spec.pids_limit
    if spec.ulimits:
        found["Ulimits"] = [
            {"Name": limit.name, "Soft": limit.soft, "Hard": limit.hard} for limit in spec.ulimits
        ]
    if spec.cpus:
        found["NanoCpus"] = round(spec.cpus * 1e9)
    if spec.memory:
        found["Memory"] = spec.memory
    if spec.shm_size:
        found["ShmSize"] = spec.shm_size
    return found


def _port_bindings(spec: ContainerSpec) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in spec.ports:
        row = {"HostIp": port.host_ip, "HostPort": str(port.host) if port.host else ""}
        bindings.setdefault(f"{port.container}/{port.protocol}", []).append(row)
    return bindings


def _directories(names: Iterable[str], uid: int, gid: int) -> bytes:
    """Return a tar archive of directories that a user and a group may write to."""
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.uid, member.gid = tarfile.DIRTYPE, 0o775, uid, gid
            tar.addfile(member)
    return buffer.getvalue()


def _mount(mount: Any) -> dict[str, Any]:
    return {
        "Type": mount.kind,
        "Source": mount.source,
        "Target": mount.target,
        "ReadOnly": mount.read_only,
    }
