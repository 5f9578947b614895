"""Containers on Podman, where they differ from Docker's."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from buildr.errors import EngineError
from buildr_backends.podman.container_body import create_body
from buildr_backends.shared import attach
from buildr_backends.shared.anonymous_volumes import is_own, read_mounted
from buildr_backends.shared.containers import HttpContainers
from buildr_backends.shared.engine import found
from buildr_backends.shared.find_image import find_image
from buildr_backends.shared.states import found_health, read_state
from buildr_backends.shared.volumes import delete_volume

if TYPE_CHECKING:
    from buildr.engines.container_spec import ContainerSpec
    from buildr.engines.records import ContainerState, EngineInfo, Health
    from buildr.engines.streams import Attachment
    from buildr_backends.http.client import Client
    from buildr_backends.shared.anonymous_volumes import Mounted

_WAIT_INTERVAL = "2ms"
_ENDING = "container state improper"  # libpod's ErrCtrStateInvalid
_CLEAN_UP_SECONDS = 10.0  # for the monitor of a container that has ended
# Seconds before each look at a container that is ending.
_STATUS_PAUSES = (0.0, 0.002, 0.005, 0.01, 0.02)


class PodmanContainers(HttpContainers):
    """`buildr.engines.containers.Containers` for Podman."""

    def __init__(self, client: Client, info: EngineInfo) -> None:
        super().__init__(client, info)
        self._without_input: set[str] = set()  # ids of containers
        self._mounted: dict[str, Mounted] = {}  # by containers' ids

    def create(self, spec: ContainerSpec) -> str:
        """See `buildr.engines.containers.Containers.create`."""
        container = super().create(spec)
        if not spec.stdin:
            self._without_input.add(container)
        return container

    def health(self, container: str) -> Health:
        """See `buildr.engines.containers.Containers.health`."""
        # 409: it does not run; 500: it has no health check, or that could not be run.
        response = self._client.request(
            "GET", f"/containers/{container}/healthcheck", ok=(200, 404, 409, 500)
        )
        return found_health(response, lambda answer: answer)

    def wait(self, container: str) -> int:
        """See `buildr.engines.containers.Containers.wait`."""
        # libpod's wait returns only after the container's monitor has cleaned up, 0.1 s after the status is known.
        # After the end of the streams the status is known within milliseconds, so check for it first.
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

    def state(self, container: str) -> ContainerState | None:
        """See `buildr.engines.containers.Containers.state`."""

        def read(answer: Any) -> ContainerState:
            self._mounted[container] = read_mounted(answer)  # so that `remove` does not have to ask
            return read_state(answer)

        response = self._client.request("GET", f"/containers/{container}/json", ok=(200, 404))
        return found(response, read)

    def remove(self, container: str, *, volumes: bool = False) -> None:
        """See `buildr.engines.containers.Containers.remove`."""
        own, others = self._anonymous(container) if volumes else ([], [])
        try:
            super().remove(container, volumes=bool(own) and not others)
        except EngineError as error:
            if _ENDING not in error.message:
                raise
            # It ended while libpod was about to kill it. It can be removed when its monitor has cleaned up.
            self._wait(container, seconds=_CLEAN_UP_SECONDS)
            super().remove(container, volumes=bool(own) and not others)
        self._mounted.pop(container, None)
        for name in own if others else ():
            with contextlib.suppress(EngineError):  # another container has it by now
                delete_volume(self._client, name)

    def _anonymous(self, container: str) -> tuple[list[str], list[str]]:
        """Return the anonymous volumes that were made for a container, and those that were made for others."""
        if container not in self._mounted:
            self.state(container)
        created, volumes = self._mounted.get(container, ("", ()))
        own: list[str] = []
        others: list[str] = []
        for name in volumes:
            response = self._client.request("GET", f"/volumes/{name}/json", ok=(200, 404))
            whose = found(response, lambda volume: is_own(volume, created))
            if whose is not None:
                (own if whose else others).append(name)
        return own, others

    def _attach(self, path: str, *, tty: bool) -> Attachment:
        if tty or path.split("/")[2] in self._without_input:
            # One connection: the monitor writes all output to each, so a second one halves the throughput.
            return super()._attach(path, tty=tty)
        # When a guest ends with input unread, its monitor resets the connection that the input came by. Podman
        # stops reading output from there, and writes the error to standard error as if it were the guest's.
        return attach.attach_split(self._client, path)

    def _archive_query(self) -> dict[str, str]:
        # Otherwise all of it goes to the user that the container runs as.
        return {"copyUIDGID": "false"}

    def _remove_query(self, *, volumes: bool) -> dict[str, str]:
        return {"force": "1", "timeout": "0", **({"volumes": "true"} if volumes else {})}

    def _create_query(self, spec: ContainerSpec) -> dict[str, str]:  # noqa: ARG002 - libpod takes all of it in the body
        return {}

    def _logs_are_framed(self, container: str) -> bool:  # noqa: ARG002 - libpod frames logs of terminals too
        return True

    def _start_status(self, container: str, error: EngineError) -> int | None:  # noqa: ARG002 - libpod keeps no status of it
        # The texts of libpod's own error values (libpod/define/errors.go), which `podman run` relies on too.
        if "OCI runtime attempted to invoke a command that was not found" in error.message:
            return 127
        if "OCI permission denied" in error.message:
            return 126
        return None

    def _own_variables(self, spec: ContainerSpec) -> list[str]:
        """Return the variables that Podman would set on its own, and Docker would not."""
        of_image = spec.image_variables
        if of_image is None:
            image = find_image(self._client, spec.image)
            of_image = tuple(line.partition("=")[0] for line in image.environment) if image else ()
        names = ("container",) if spec.tty else ("container", "TERM")
        return [name for name in names if name not in of_image]

    def _create_body(self, spec: ContainerSpec) -> dict[str, Any]:
        return create_body(spec, unset=self._own_variables(spec))
