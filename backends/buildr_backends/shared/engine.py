"""What the two engines' HTTP APIs have in common: paths, answers and errors that are the same on both.

Podman's libpod API took most of its shape from Docker's; with the right prefix the same paths serve both. Each
adapter adds what differs. References: Docker Engine API 1.41, Podman's libpod API 4.0.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from buildr.engines.container_spec import PortBinding
from buildr.engines.records import ContainerState, Event, Image, Volume
from buildr.errors import (
    BuildError,
    CommandNotFoundError,
    ContainerError,
    EngineError,
    EngineUnavailableError,
    ImageNotFoundError,
    NotExecutableError,
)
from buildr_backends.http.urlquote import quote
from buildr_backends.shared.attach import ResponseStreams
from buildr_backends.shared.attach import attach as attach_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from buildr.engines.container_spec import ContainerSpec
    from buildr.engines.protocol import Attachment, Execution
    from buildr.engines.records import BuildRequest, CommandSpec, EngineInfo, Health, Layer, OnEvent
    from buildr_backends.http.client import Client
    from buildr_backends.http.response import Response
    from buildr_backends.shared.append_layer import Stored

T = TypeVar("T")

_PING_SECONDS = 6.0
_SOON_SECONDS = 12.0  # for what engines do at once, on a machine that has much else to do
_WAIT_SECONDS = (
    10.0  # between two looks whether the engine is still there while it is waited for a guest
)
_ENDED = ("dead", "exited", "stopped")  # the status of a container that has an exit status
_TAG_ATTEMPTS = 5  # each fails only when another process has succeeded meanwhile
TAR = {"Content-Type": "application/x-tar"}


class HttpEngine(ABC):
    """The shared part of a `buildr.engines.protocol.Backend` over HTTP.

    Args:
        client: to the engine; its prefix makes the shared paths right.
        info: what was learnt while connecting.
    """

    _volumes = ""  # ends the paths of questions about volumes

    def __init__(self, client: Client, info: EngineInfo) -> None:
        self._client = client
        self._info = info

    @property
    def info(self) -> EngineInfo:
        """See `buildr.engines.protocol.Backend.info`."""
        return self._info

    def ping(self) -> None:
        """See `buildr.engines.protocol.Backend.ping`."""
        self._client.expect(_PING_SECONDS, "GET", "/_ping").read()

    def close(self) -> None:
        """See `buildr.engines.protocol.Backend.close`."""
        self._client.close()

    # Images ---------------------------------------------------------------------------------------

    def image(self, reference: str) -> Image | None:
        """See `buildr.engines.protocol.Backend.image`."""
        response = self._client.request("GET", f"/images/{quote(reference)}/json", ok=(200, 404))
        return _found(response, read_image)

    def images(self, labels: Mapping[str, str]) -> Sequence[Image]:
        """See `buildr.engines.protocol.Backend.images`."""
        query = {"filters": label_filter(labels)}
        return self._client.request("GET", "/images/json", query=query).json(read_images)

    def build(self, request: BuildRequest, on_event: OnEvent) -> str:
        """See `buildr.engines.protocol.Backend.build`."""
        from buildr_backends.shared.build_log import follow_build

        # A pull here would be silent and without the user's credentials; the base image is there already.
        query = {
            "dockerfile": request.containerfile,
            "labels": json.dumps(dict(request.labels)),
            "rm": "1",
            "forcerm": "1",
            "nocache": "0" if request.cache else "1",
            **self._build_query(),
        }
        try:
            response = self._client.request(
                "POST", "/build", query=query, body=request.context, headers=TAR, seconds=None
            )
        except EngineError as error:
            raise BuildError(f"the engine refused the build: {error.message}") from None
        try:
            image = with_algorithm(follow_build(response.chunks(), on_event))
        finally:
            response.close()  # a build that nobody follows any more must not go on
        for tag in request.tags:
            self.tag(image, tag)
        return image

    def append(self, image: str, layer: Layer, on_event: OnEvent) -> str:
        """See `buildr.engines.protocol.Backend.append`."""
        from buildr_backends.shared.append_layer import archive

        made: list[str] = []

        def note(new: str) -> None:
            made.append(new)
            on_event(Event(kind="image", text=new))

        said = self._load(archive(self._stored(image), layer, note))
        if not made or made[0] not in said:
            raise EngineError("the engine does not take a layer alone", message=said)
        return with_algorithm(*made)

    def tag(self, image: str, reference: str) -> None:
        """See `buildr.engines.protocol.Backend.tag`."""
        head, slash, name = reference.rpartition("/")  # a colon before it belongs to a port
        repository, _, tag = name.partition(":")
        query = {"repo": f"{head}{slash}{repository}", "tag": tag or "latest"}
        for last in (*[False] * (_TAG_ATTEMPTS - 1), True):
            try:
                self._client.request("POST", f"/images/{quote(image)}/tag", query=query).read()
            except EngineError as error:
                # Docker with containerd's store deletes the old name first: somebody else has made it again since.
                if last or "AlreadyExists" not in error.message:
                    raise
            else:
                return

    def remove_image(self, image: str) -> None:
        """See `buildr.engines.protocol.Backend.remove_image`."""
        # Never by force: that would take Podman's containers of the image away with it.
        try:
            self._client.request("DELETE", f"/images/{quote(image)}", ok=(200, 404)).read()
        except EngineError:
            names = self._names_in_the_way(image)
            if not names:
                raise
            for name in names:
                self._client.request("DELETE", f"/images/{quote(name)}", ok=(200, 404)).read()

    def _names_in_the_way(self, image: str) -> tuple[str, ...]:
        """Return the names of an image where nothing else keeps it: no engine removes by its id what has several."""
        if not image.startswith("sha256:"):
            return ()
        found = self.image(image)
        if found is None or len(found.tags) < 2:
            return ()
        # An image that is used would lose all its names but one.
        query = {"all": "true", "filters": json.dumps({"ancestor": [image]})}
        used = self._client.request("GET", "/containers/json", query=query).json(len)
        return () if used else found.tags

    def save(self, image: str) -> Iterator[bytes]:
        """See `buildr.engines.protocol.Backend.save`."""
        path = f"/images/{quote(image)}/get"
        return self._client.request("GET", path, query=self._save_query(), seconds=None).chunks()

    def load(self, archive: Iterable[bytes], reference: str) -> Image:
        """See `buildr.engines.protocol.Backend.load`."""
        said = self._load(archive)
        image = self.image(reference)
        if image is None or reference not in said:
            raise EngineError(f"the engine does not take the archive of {reference}", message=said)
        return image

    def _load(self, archive: Iterable[bytes]) -> str:
        """Send an archive; return the engine's answer, which names what it has stored, or tells why it has not."""
        from buildr_backends.http.json_stream import documents

        response = self._client.request(
            "POST", "/images/load", query={"quiet": "1"}, body=archive, headers=TAR, seconds=None
        )
        return json.dumps(list(documents(response.chunks())))

    # Containers -----------------------------------------------------------------------------------

    def create(self, spec: ContainerSpec) -> str:
        """See `buildr.engines.protocol.Backend.create`."""
        try:
            return self._client.request(
                "POST",
                "/containers/create",
                query=self._create_query(spec),
                json_body=self._create_body(spec),
            ).json(lambda created: str(created["Id"]))
        except EngineError as error:
            if self.image(spec.image) is None:
                raise ImageNotFoundError(
                    f"the image {spec.image} is not stored any more",
                    hint="Somebody removed it just now; run again.",
                ) from None
            raise ContainerError(
                f"the container cannot be created: {error.message}", hint=_create_hint(spec, error)
            ) from None

    def attach(self, container: str, *, tty: bool) -> Attachment:
        """See `buildr.engines.protocol.Backend.attach`."""
        try:
            return self._attach(f"/containers/{container}/attach", tty=tty)
        except EngineError as error:  # Podman does half of the start here: it binds the ports
            raise self._start_error(container, error) from None

    def start(self, container: str) -> None:
        """See `buildr.engines.protocol.Backend.start`."""
        try:
            self._client.request("POST", f"/containers/{container}/start").read()
        except EngineError as error:
            raise self._start_error(container, error) from None

    def state(self, container: str) -> ContainerState | None:
        """See `buildr.engines.protocol.Backend.state`."""
        response = self._client.request("GET", f"/containers/{container}/json", ok=(200, 404))
        return _found(response, read_state)

    def kill(self, container: str, signal: int) -> None:
        """See `buildr.engines.protocol.Backend.kill`."""
        try:
            self._client.expect(
                _SOON_SECONDS,
                "POST",
                f"/containers/{container}/kill",
                query={"signal": str(signal)},
                ok=(204, 404),
            ).read()
        except EngineError:
            # Refused, with another status on every version, when the container has ended.
            state = self.state(container)
            if state is not None and state.running:
                raise

    def processes(self, container: str) -> int:
        """See `buildr.engines.protocol.Backend.processes`."""
        # Of a container that does not run Docker answers 409; Podman with nothing, or 500 before it is sure.
        response = self._client.expect(
            _SOON_SECONDS, "GET", f"/containers/{container}/top", ok=(200, 404, 409, 500)
        )
        if response.status != 200:
            response.read()
            return 0
        return response.json(lambda found: len(found["Processes"]) if found else 0)

    def resize(self, container: str, *, rows: int, columns: int) -> None:
        """See `buildr.engines.protocol.Backend.resize`."""
        query = {"h": str(rows), "w": str(columns)}
        # 409, 404 and 500 all say that there is no terminal any more.
        self._client.expect(
            _SOON_SECONDS,
            "POST",
            f"/containers/{container}/resize",
            query=query,
            ok=(200, 201, 204, 404, 409, 500),
        ).read()

    def remove(self, container: str) -> None:
        """See `buildr.engines.protocol.Backend.remove`."""
        try:
            self._client.request(
                "DELETE", f"/containers/{container}", query=self._remove_query(), ok=(200, 204, 404)
            ).read()
        except EngineError as error:
            # 409: somebody else is just removing it.
            if error.status != 409 or not self._going(container):
                raise

    def containers(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
        """See `buildr.engines.protocol.Backend.containers`."""
        query = {"all": "1", "filters": label_filter(labels)}
        return self._client.request("GET", "/containers/json", query=query).json(read_containers)

    def put_archive(self, container: str, path: str, tar: bytes) -> None:
        """See `buildr.engines.protocol.Backend.put_archive`."""
        query = {"path": path, **self._archive_query()}
        self._client.request(
            "PUT", f"/containers/{container}/archive", query=query, body=tar, headers=TAR
        ).read()

    def get_archive(self, container: str, path: str) -> Iterator[bytes]:
        """See `buildr.engines.protocol.Backend.get_archive`."""
        query = {"path": path}
        path = f"/containers/{container}/archive"
        return self._client.request("GET", path, query=query, seconds=None).chunks()

    def logs(self, container: str, *, follow: bool = False, tail: int | None = None) -> Attachment:
        """See `buildr.engines.protocol.Backend.logs`."""
        framed = self._logs_are_framed(container)
        query = {"stdout": "1", "stderr": "1", "follow": "1" if follow else "0"}
        if tail is not None:
            query["tail"] = str(tail)
        path = f"/containers/{container}/logs"
        if follow:
            response = self._client.request("GET", path, query=query, seconds=None)
        else:
            response = self._client.expect(_SOON_SECONDS, "GET", path, query=query)
        return ResponseStreams(response, framed=framed)

    def execute(self, container: str, spec: CommandSpec) -> Execution:
        """See `buildr.engines.protocol.Backend.execute`."""
        from buildr_backends.shared.exec import execute

        return execute(self._client, container, spec)

    # Volumes --------------------------------------------------------------------------------------

    def make_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """See `buildr.engines.protocol.Backend.make_volume`."""
        # Libpod before 4.4 knows the labels by their older name, and no version makes one that is there.
        body = {"Name": name, "Labels": dict(labels), "Label": dict(labels)}
        try:
            self._client.request("POST", "/volumes/create", json_body=body, ok=(200, 201)).read()
        except EngineError:
            path = f"/volumes/{quote(name)}{self._volumes}"
            response = self._client.request("GET", path, ok=(200, 404))
            response.read()
            if response.status == 404:
                raise

    def volumes(self, labels: Mapping[str, str], *, sizes: bool = False) -> Sequence[Volume]:
        """See `buildr.engines.protocol.Backend.volumes`."""
        query = {"filters": label_filter(labels)}
        rows = self._client.request("GET", f"/volumes{self._volumes}", query=query).json(
            read_volumes
        )
        known = self._volume_sizes() if sizes and rows else {}
        return [replace(row, size=known.get(row.name)) for row in rows]

    def _volume_sizes(self) -> dict[str, int]:
        """Return how many bytes volumes have, by their names, as far as that can be had in reasonable time."""
        return {}  # Podman counts all images with them, which can take a minute, and only while nobody removes one

    def remove_volume(self, name: str) -> None:
        """See `buildr.engines.protocol.Backend.remove_volume`."""
        self._client.request("DELETE", f"/volumes/{quote(name)}", ok=(204, 404)).read()

    # What differs ---------------------------------------------------------------------------------

    def _attach(self, path: str, *, tty: bool) -> Attachment:
        """Open the streams of a container."""
        return attach_streams(self._client, path, tty=tty)

    @abstractmethod
    def _build_query(self) -> dict[str, str]:
        """Return the parameters of a build that only this engine knows."""

    @abstractmethod
    def _stored(self, image: str) -> Stored:
        """Return what an image on top of this one takes over."""

    @abstractmethod
    def _save_query(self) -> dict[str, str]:
        """Return the parameters of an archive of the ``docker save`` kind."""

    @abstractmethod
    def _create_query(self, spec: ContainerSpec) -> dict[str, str]:
        """Return the part of the specification that the engine takes as parameters."""

    @abstractmethod
    def _create_body(self, spec: ContainerSpec) -> dict[str, Any]:
        """Return the specification in the engine's words."""

    @abstractmethod
    def _remove_query(self) -> dict[str, str]:
        """Return the parameters of a forced removal that does not wait."""

    @abstractmethod
    def _archive_query(self) -> dict[str, str]:
        """Return the parameters that let an archive's members keep their owners."""

    @abstractmethod
    def _logs_are_framed(self, container: str) -> bool:
        """Return whether logs come in frames."""

    @abstractmethod
    def _start_status(self, container: str, error: EngineError) -> int | None:
        """Return 126 or 127 when the command is to blame for a failed start."""

    def _going(self, container: str) -> bool:
        state = self.state(container)
        return state is None or state.status == "removing"

    def _wait_for_end(self, container: str, ask: Callable[[float], int]) -> int:
        """Wait for the end of a container; an engine that has fallen silent is told from a guest that takes its time.

        Args:
            container: that was started.
            ask: waits for so many seconds, and raises `EngineUnavailableError` when they are over.
        """
        while True:
            try:
                return ask(_WAIT_SECONDS)
            except EngineUnavailableError:
                self.ping()
            state = self.state(container)
            if state is not None and state.exit_code is not None:
                return state.exit_code

    def _start_error(self, container: str, error: EngineError) -> ContainerError:
        status = self._start_status(container, error)
        if status == CommandNotFoundError.exit_code:
            return CommandNotFoundError(
                f"the container's command was not found: {error.message}",
                hint="Buildr needs `python` or `python3` on the image's PATH. Check base_image or dockerfile; Debian's own Python"
                ' is system_packages=["python3", "python3-pip"] in package.',
            )
        # Podman calls this 126 as well, though it is no fault of the command.
        if status == NotExecutableError.exit_code and not _is_limit(error):
            return NotExecutableError(
                f"the container's command cannot be executed: {error.message}"
            )
        in_use = _port_in_use(error.message)
        hint = "Another program holds that port: choose another host port, or 0 for a free one."
        return ContainerError(
            f"the container cannot start: {error.message}",
            hint=hint if in_use else hint_of(error),
        )


def _port_in_use(message: str) -> bool:
    """Tell whether a port of the host is taken, in the words of dockerd, Go's network library, pasta or slirp4netns."""
    import re

    words = r"already allocated|address already in use|failed to bind port|listen failed for host"
    return re.search(words, message, re.IGNORECASE) is not None


def label_filter(labels: Mapping[str, str]) -> str:
    """Return the ``filters`` parameter for labels; an empty value matches any."""
    if not labels:
        return "{}"  # Podman refuses an empty list
    return json.dumps({"label": [f"{k}={v}" if v else k for k, v in labels.items()]})


def with_algorithm(image: str) -> str:
    """Return an image id in its long form; Podman leaves the algorithm out."""
    return image if image.startswith("sha256:") else f"sha256:{image}"


def found_health(response: Response, read: Callable[[Any], Any]) -> Health:
    """Return what an engine tells of a container's health; empty where it tells nothing.

    Args:
        response: of any status; only one of success tells anything.
        read: returns the answer's part that is about health.
    """
    if response.status != 200:
        response.read()
        return ""
    status = response.json(lambda found: (read(found) or {}).get("Status"))
    return status if status in ("starting", "healthy", "unhealthy") else ""


def _found(response: Response, read: Callable[[Any], T]) -> T | None:
    """Return what an inspection found; ``None`` when there is no such thing."""
    if response.status == 404:
        response.read()
        return None
    return response.json(read)


def read_images(rows: Any) -> list[Image]:
    """Read a list of images, newest first."""
    newest_first = sorted(rows or (), key=lambda row: row.get("Created") or 0, reverse=True)
    return [
        Image(
            id=with_algorithm(row["Id"]),
            tags=_tags(row),
            labels=row.get("Labels") or {},
            size=row.get("Size") or 0,
        )
        for row in newest_first
    ]


def read_volumes(found: Any) -> list[Volume]:
    """Read a list of volumes: a list on Podman, and in an object on Docker."""
    rows = found.get("Volumes") if isinstance(found, dict) else found
    return [Volume(name=row["Name"], labels=row.get("Labels") or {}) for row in rows or ()]


def read_containers(rows: Any) -> list[ContainerState]:
    """Read a list of containers. Docker's has no exit status."""
    return [
        ContainerState(
            id=row["Id"],
            status=row.get("State") or "",
            running=row.get("State") == "running",
            exit_code=row.get("ExitCode") if row.get("State") in _ENDED else None,
            labels=row.get("Labels") or {},
        )
        for row in rows or ()
    ]


def read_image(found: Any) -> Image:
    """Read an image's inspection, the same fields on both engines."""
    config = found.get("Config") or {}
    return Image(
        id=with_algorithm(found["Id"]),
        tags=_tags(found),
        labels=config.get("Labels") or {},
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        environment=tuple(config.get("Env") or ()),
        user=config.get("User") or "",
        workdir=config.get("WorkingDir") or "",
        volumes=tuple(config.get("Volumes") or ()),
        size=found.get("Size") or 0,
    )


def _tags(row: Any) -> tuple[str, ...]:
    # Docker lists an image without a name as "<none>:<none>".
    return tuple(tag for tag in row.get("RepoTags") or () if tag != "<none>:<none>")


_NEVER = "0001-"  # the year of Go's time.Time that is none


def read_state(found: Any) -> ContainerState:
    """Read a container's inspection, the same fields on both engines."""
    state = found["State"]
    ended = state["Status"] in _ENDED
    bound = (found.get("NetworkSettings") or {}).get("Ports") or {}
    return ContainerState(
        id=found["Id"],
        status=state["Status"],
        running=bool(state.get("Running")),
        started=not str(state.get("StartedAt") or _NEVER).startswith(_NEVER),
        exit_code=state.get("ExitCode", 0) if ended else None,
        error=state.get("Error") or "",
        labels=(found.get("Config") or {}).get("Labels") or {},
        ports=tuple(
            PortBinding(
                host_ip=row.get("HostIp") or "",
                host=int(row["HostPort"]),
                container=int(port.partition("/")[0]),
                protocol=port.partition("/")[2] or "tcp",
            )
            for port, rows in bound.items()
            for row in rows or ()
            if row.get("HostPort")
        ),
    )


def _create_hint(spec: ContainerSpec, error: EngineError) -> str:
    if spec.name and error.status in (409, 500) and spec.name in error.message:
        return f"Is there another container named {spec.name}? Remove it, or leave `name` out."
    return hint_of(error)


def _is_limit(error: EngineError) -> bool:
    """Tell whether a limit of processes could not be set, in the words of runc or crun."""
    return "setting rlimit" in error.message or "setrlimit" in error.message


def hint_of(error: EngineError) -> str:
    """Say what to do about a network, a device, a limit or a log that is not to be had: some is told at the creation, some at the start."""
    import re

    if "could not select device driver" in error.message:
        return (
            "Docker gives out GPUs through the NVIDIA Container Toolkit: install nvidia-container-toolkit, run"
            " `sudo nvidia-ctk runtime configure --runtime=docker`, and restart Docker. Other names of devices"
            " (vendor.com/class=name) need Docker 25 or newer with CDI."
        )
    if re.search(r"unresolvable CDI device|CDI device injection failed", error.message):
        return (
            "A device by such a name needs a specification in /etc/cdi or /var/run/cdi. For NVIDIA's:"
            " `sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`; `nvidia-ctk cdi list` shows the names."
        )
    if _is_limit(error):
        return (
            "The engine may not raise a limit of processes so far: a rootless one not above your own hard limits,"
            " which `ulimit -H -a` shows. Lower the one in `ulimits`, or the `default_ulimits` of containers.conf."
        )
    if re.search(r"network .*not found", error.message):
        return (
            "Make the network with `podman network create` or `docker network create`, or name one that the"
            " engine lists with `network ls`."
        )
    if "passthrough" in error.message or "attach socket" in error.message:  # newer versions; 4.3
        return (
            "Is `log_driver` in containers.conf `passthrough`? Then nobody gets the output of a container: choose"
            " `k8s-file`, `journald` or `none`."
        )
    return ""
