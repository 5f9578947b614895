"""Containers on Docker, where they differ from Podman's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from buildr import labels
from buildr.engines import ownership
from buildr.engines.container_spec import ContainerSpec, MountSpec
from buildr.errors import BackendError, ContainerError, EngineError
from buildr_backends.docker.container_body import create_body
from buildr_backends.http.request import json_content, quote
from buildr_backends.shared.containers import HttpContainers
from buildr_backends.shared.find_image import find_image
from buildr_backends.shared.refusals import hint_of
from buildr_backends.shared.states import found_health

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buildr.engines.container_spec import Network
    from buildr.engines.records import EngineInfo, Health
    from buildr.engines.streams import Attachment
    from buildr_backends.http.client import Client

_IPV6 = "/proc/sys/net/ipv6"  # where the kernel has IPv6


class DockerContainers(HttpContainers):
    """`buildr.engines.containers.Containers` for Docker."""

    def __init__(self, client: Client, info: EngineInfo) -> None:
        super().__init__(client, info)
        self._framed: dict[str, bool] = {}
        """Whether output comes in frames, for each container that was attached to and not yet removed."""

    def create(self, spec: ContainerSpec) -> str:
        """See `buildr.engines.containers.Containers.create`."""
        if new := [mount.source for mount in spec.mounts if self._is_new_volume(mount)]:
            self._make_volumes(new, spec)
        container = super().create(spec)
        # Docker takes one network at the creation, the first; API 1.44 and newer take them all.
        for network in spec.networks[1:]:
            self._join(container, network)
        return container

    def _join(self, container: str, network: Network) -> None:
        body = {"Container": container, "EndpointConfig": {"Aliases": list(network.aliases)}}
        try:
            self._client.request(
                "POST", f"/networks/{quote(network.name)}/connect", content=json_content(body)
            ).read()
        except EngineError as error:
            self.remove(container, volumes=True)
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
        """Make volumes that belong to the guest's user, as Podman does; Docker's belong to root.

        They are mounted in a container that never starts; an archive unpacked there sets their owner.
        If the image has files at a volume's target, Docker copies them later, including the owner.
        """
        image = None if spec.user else find_image(self._client, spec.image)
        uid, _, gid = (spec.user or (image.user if image else "")).partition(":")
        if not uid.isdecimal() or not int(uid):
            return
        places = {f"buildr-volume-{index}": name for index, name in enumerate(names)}
        own = ContainerSpec(
            image=spec.image,
            command=("true",),
            labels={**spec.labels, labels.ROLE: labels.HELPER_ROLE},
            mounts=tuple(
                MountSpec(kind="volume", source=name, target=f"/{place}")
                for place, name in places.items()
            ),
        )
        helper = super().create(ownership.signed(own))
        try:
            owner = (int(uid), int(gid) if gid.isdecimal() else 0)
            self.put_archive(helper, "/", _directories(places, *owner))
        finally:
            self.remove(helper, volumes=True)

    def attach(self, container: str, *, tty: bool) -> Attachment:
        """See `buildr.engines.containers.Containers.attach`."""
        self._framed[container] = not tty
        return super().attach(container, tty=tty)

    def remove(self, container: str, *, volumes: bool = False) -> None:
        """See `buildr.engines.containers.Containers.remove`."""
        super().remove(container, volumes=volumes)
        self._framed.pop(container, None)

    def health(self, container: str) -> Health:
        """See `buildr.engines.containers.Containers.health`."""
        response = self._client.request("GET", f"/containers/{container}/json", ok=(200, 404))
        return found_health(response, lambda found: found["State"].get("Health"))

    def wait(self, container: str) -> int:
        """See `buildr.engines.containers.Containers.wait`."""
        return self._wait_for_end(container, lambda seconds: self._wait(container, seconds))

    def _wait(self, container: str, seconds: float) -> int:
        query = {"condition": "not-running"}
        return self._client.request(
            "POST", f"/containers/{container}/wait", query=query, seconds=seconds
        ).json(read_wait)

    def _archive_query(self) -> dict[str, str]:
        return {}

    def _remove_query(self, *, volumes: bool) -> dict[str, str]:
        return {"force": "1", **({"v": "1"} if volumes else {})}

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
            return None  # the original error is more informative
        return status if status in (126, 127) else None

    def _create_body(self, spec: ContainerSpec) -> dict[str, Any]:
        body = create_body(spec)
        if (
            all(network.name != "host" for network in spec.networks)
            and not self.info.remote
            and os.path.isdir(_IPV6)
        ):
            # As on Podman: without it there is no ::1, which many a server and client takes for "localhost". On the loopback
            # device alone: on others, neighbours could announce routes.
            body["HostConfig"]["Sysctls"] = {"net.ipv6.conf.lo.disable_ipv6": "0"}
        return body


def read_wait(answer: Any) -> int:
    """Read how a container ended.

    Raises:
        EngineError: Docker could not wait for it.
    """
    if error := (answer.get("Error") or {}).get("Message"):
        raise EngineError(f"Docker could not wait for the container: {error}", message=error)
    return int(answer["StatusCode"])


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
