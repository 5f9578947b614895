"""Containers over HTTP: the part that is the same on both engines."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from buildr.errors import (
    ContainerError,
    EngineError,
    EngineUnavailableError,
    ImageNotFoundError,
)
from buildr_backends.http.client import ANSWER_SECONDS
from buildr_backends.http.request import json_content, tar_content
from buildr_backends.shared.archives import not_empty
from buildr_backends.shared.attach import attach as attach_streams
from buildr_backends.shared.engine import SOON_SECONDS, HttpEngine, found, label_filter
from buildr_backends.shared.find_image import find_image
from buildr_backends.shared.refusals import create_hint, start_error
from buildr_backends.shared.states import read_changes, read_containers, read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from buildr.engines.container_spec import ContainerSpec, MountSpec
    from buildr.engines.records import CommandSpec, ContainerState
    from buildr.engines.streams import Attachment, Execution

_WAIT_SECONDS = 10.0  # between two checks that the engine is still there, while a container runs


class HttpContainers(HttpEngine):
    """The shared part of `buildr.engines.containers.Containers`."""

    def create(self, spec: ContainerSpec) -> str:
        """See `buildr.engines.containers.Containers.create`."""
        try:
            return self._client.request(
                "POST",
                "/containers/create",
                query=self._create_query(spec),
                content=json_content(self._create_body(spec)),
            ).json(lambda created: str(created["Id"]))
        except EngineError as error:
            if find_image(self._client, spec.image) is None:
                raise ImageNotFoundError(
                    f"the image {spec.image} is no longer stored",
                    hint="It was removed just now; run again.",
                ) from None
            raise ContainerError(
                f"the container cannot be created: {error.message}", hint=create_hint(spec, error)
            ) from None

    def attach(self, container: str, *, tty: bool) -> Attachment:
        """See `buildr.engines.containers.Containers.attach`."""
        try:
            return self._attach(f"/containers/{container}/attach", tty=tty)
        except EngineError as error:  # Podman does half of the start here: it binds the ports
            raise self._start_error(container, error) from None

    def start(self, container: str) -> None:
        """See `buildr.engines.containers.Containers.start`."""
        try:
            self._client.request("POST", f"/containers/{container}/start").read()
        except EngineError as error:
            raise self._start_error(container, error) from None
        if (tunnel := self._client.connections.tunnel) is not None:
            state = self.state(container)
            tunnel.forward(container, state.ports if state is not None else ())

    def state(self, container: str) -> ContainerState | None:
        """See `buildr.engines.containers.Containers.state`."""
        response = self._client.request("GET", f"/containers/{container}/json", ok=(200, 404))
        return found(response, read_state)

    def kill(self, container: str, signal: int) -> None:
        """See `buildr.engines.containers.Containers.kill`."""
        try:
            self._client.expect(
                SOON_SECONDS,
                "POST",
                f"/containers/{container}/kill",
                query={"signal": str(signal)},
                ok=(204, 404),
            ).read()
        except EngineError:
            # When the container has ended it is refused, with a different status on every version.
            state = self.state(container)
            if state is not None and state.running:
                raise

    def stop(self, container: str, grace_seconds: float) -> None:
        """See `buildr.engines.containers.Containers.stop`."""
        path, grace = f"/containers/{container}/stop", math.ceil(grace_seconds)
        query = {"t": str(grace), "timeout": str(grace)}  # Docker's name for it, and libpod's
        limit, ended = grace + ANSWER_SECONDS, (204, 304, 404)
        self._client.request("POST", path, query=query, seconds=limit, ok=ended).read()

    def processes(self, container: str) -> int:
        """See `buildr.engines.containers.Containers.processes`."""
        # Of a container that does not run Docker answers 409; Podman with nothing, or 500 before it is sure.
        response = self._client.expect(
            SOON_SECONDS, "GET", f"/containers/{container}/top", ok=(200, 404, 409, 500)
        )
        if response.status != 200:
            response.read()
            return 0
        return response.json(lambda found: len(found["Processes"]) if found else 0)

    def resize(self, container: str, *, rows: int, columns: int) -> None:
        """See `buildr.engines.containers.Containers.resize`."""
        path, query = f"/containers/{container}/resize", {"h": str(rows), "w": str(columns)}
        ok = (200, 201, 204, 404, 409, 500)  # the last three mean that the terminal is gone
        self._client.expect(SOON_SECONDS, "POST", path, query=query, ok=ok).read()

    def remove(self, container: str, *, volumes: bool = False) -> None:
        """See `buildr.engines.containers.Containers.remove`."""
        path, query = f"/containers/{container}", self._remove_query(volumes=volumes)
        try:
            self._client.request("DELETE", path, query=query, ok=(200, 204, 404)).read()
        except EngineError as error:
            # 409: it is being removed already.
            if error.status != 409 or not self._is_being_removed(container):
                raise
        if (tunnel := self._client.connections.tunnel) is not None:
            tunnel.end(container)

    def containers(self, labels: Mapping[str, str]) -> Sequence[ContainerState]:
        """See `buildr.engines.containers.Containers.containers`."""
        query = {"all": "1", "filters": label_filter(labels)}
        return self._client.request("GET", "/containers/json", query=query).json(read_containers)

    def put_archive(self, container: str, path: str, tar: bytes) -> None:
        """See `buildr.engines.containers.Containers.put_archive`."""
        query = {"path": path, **self._archive_query()}
        self._client.request(
            "PUT", f"/containers/{container}/archive", query=query, content=tar_content(tar)
        ).read()

    def get_archive(self, container: str, path: str) -> Iterator[bytes]:
        """See `buildr.engines.containers.Containers.get_archive`."""
        query = {"path": path}
        path = f"/containers/{container}/archive"

        def ask() -> Iterator[bytes]:
            return self._client.request("GET", path, query=query, seconds=None).chunks()

        return not_empty(ask(), ask)

    def changed(self, container: str) -> Sequence[str]:
        """See `buildr.engines.containers.Containers.changed`."""
        return self._client.request("GET", f"/containers/{container}/changes").json(read_changes)

    def shows(self, container: str, mount: MountSpec) -> bool:
        """See `buildr.engines.containers.Containers.shows`."""
        from buildr_backends.shared.shown_mounts import shows

        return shows(self._client, container, mount)

    def logs(
        self,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: float | None = None,
        timestamps: bool = False,
    ) -> Attachment:
        """See `buildr.engines.containers.Containers.logs`."""
        from buildr_backends.shared.logs import read_logs

        query = {"follow": follow, "tail": tail, "since": since, "timestamps": timestamps}
        return read_logs(self._client, container, query, framed=self._logs_are_framed(container))

    def execute(self, container: str, spec: CommandSpec) -> Execution:
        """See `buildr.engines.containers.Containers.execute`."""
        from buildr_backends.shared.exec import execute

        return execute(self._client, container, spec)

    # What differs ---------------------------------------------------------------------------------

    def _attach(self, path: str, *, tty: bool) -> Attachment:
        """Open the streams of a container."""
        return attach_streams(self._client, path, tty=tty)

    @abstractmethod
    def _create_query(self, spec: ContainerSpec) -> dict[str, str]:
        """Return the part of the specification that the engine takes as parameters."""

    @abstractmethod
    def _create_body(self, spec: ContainerSpec) -> dict[str, Any]:
        """Return the specification as the engine's request body."""

    @abstractmethod
    def _remove_query(self, *, volumes: bool) -> dict[str, str]:
        """Return the parameters of a forced removal that does not wait, with the anonymous volumes or without."""

    @abstractmethod
    def _archive_query(self) -> dict[str, str]:
        """Return the parameters that let an archive's members keep their owners."""

    @abstractmethod
    def _logs_are_framed(self, container: str) -> bool:
        """Return whether logs come in frames."""

    @abstractmethod
    def _start_status(self, container: str, error: EngineError) -> int | None:
        """Return 126 or 127 when the command is to blame for a failed start."""

    def _is_being_removed(self, container: str) -> bool:
        state = self.state(container)
        return state is None or state.status == "removing"

    def _wait_for_end(self, container: str, ask: Callable[[float], int]) -> int:
        """Wait for the end of a container, and notice an engine that has fallen silent meanwhile.

        Args:
            container: one that was started.
            ask: waits for that many seconds, then raises `EngineUnavailableError`.
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
        return start_error(error, self._start_status(container, error))
