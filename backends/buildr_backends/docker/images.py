"""Images on Docker: what differs from Podman. Pulls and pushes go through docker-py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildr.errors import EngineError
from buildr_backends.http.request import quote
from buildr_backends.shared.images import HttpImages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.engines.records import Image, OnEvent, PushRequest
    from buildr_backends.shared.append_layer import Stored


class DockerImages(HttpImages):
    """`buildr.engines.images.Images` for Docker."""

    def appends(self) -> bool:
        """See `buildr.engines.images.Images.appends`."""
        # containerd does not accept an archive that omits layers.
        return not self._client.request("GET", "/info").json(stores_with_containerd)

    def left_builds(self) -> Sequence[str]:
        """See `buildr.engines.images.Images.left_builds`: dockerd ends a build whose client has gone."""
        return ()

    def end_build(self, build: str) -> None:
        """See `buildr.engines.images.Images.end_build`."""

    def pull(self, reference: str, on_event: OnEvent) -> Image:
        """See `buildr.engines.images.Images.pull`."""
        from buildr_backends.docker.sdk import sdk, stream
        from buildr_backends.shared import credentials, transfer

        # Never None: docker-py would look for a login by its own rules, and fail over a broken helper.
        auth = credentials.credentials(reference, podman=False) or {}
        try:
            with sdk(self._client) as docker:
                progress = stream(
                    self._client,
                    lambda: docker.pull(reference, stream=True, decode=True, auth_config=auth),
                )
                transfer.follow_pull(reference, progress, on_event)
        except EngineError as error:
            raise transfer.pull_error(reference, error.message) from None
        image = self.image(reference)
        if image is None:
            raise transfer.pull_error(reference, "the engine named no reason")
        return image

    def push(self, request: PushRequest, on_event: OnEvent) -> str:
        """See `buildr.engines.images.Images.push`."""
        from buildr_backends.docker.sdk import sdk, stream
        from buildr_backends.shared import credentials, transfer

        self.tag(request.image, request.reference)
        auth = credentials.credentials(request.reference, podman=False) or {}
        try:
            with sdk(self._client) as docker:
                progress = stream(
                    self._client,
                    lambda: docker.push(
                        request.reference, stream=True, decode=True, auth_config=auth
                    ),
                )
                return transfer.follow_push(request.reference, progress, on_event)
        except EngineError as error:
            raise transfer.push_error(request.reference, error.message) from None

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


def stores_with_containerd(found: Any) -> bool:
    """Whether an engine keeps its images with containerd, as ``docker info`` reports.

    https://docs.docker.com/engine/storage/containerd/
    """
    return any("io.containerd.snapshotter" in row[1] for row in found.get("DriverStatus") or ())
