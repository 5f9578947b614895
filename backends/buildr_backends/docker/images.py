"""Images on Docker, where they differ from Podman's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildr.errors import EngineError
from buildr_backends.http.request import Content, quote
from buildr_backends.shared.images import HttpImages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.engines.artifact import Artifact
    from buildr.engines.records import BuildRequest, OnEvent, PushRequest
    from buildr_backends.http.response import Response
    from buildr_backends.shared.append_layer import Stored


_ANONYMOUS = {"X-Registry-Auth": "e30="}  # an empty object


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

    def _request_pull(self, reference: str) -> Response:
        repository, tag = _name_and_tag(reference)
        return self._client.request(
            "POST",
            "/images/create",
            query={"fromImage": repository, "tag": tag},
            content=Content(headers=self._login(reference, podman=False)),
            seconds=None,
        )

    def push(self, request: PushRequest, on_event: OnEvent) -> str:
        """See `buildr.engines.images.Images.push`."""
        from buildr_backends.http.json_stream import documents
        from buildr_backends.shared import transfer

        self.tag(request.image, request.reference)
        repository, tag = _name_and_tag(request.reference)
        # Engines before 23.0 refuse a push without the header.
        headers = {
            **_ANONYMOUS,
            **self._login(request.reference, podman=False),
        }
        try:
            response = self._client.request(
                "POST",
                f"/images/{quote(repository)}/push",
                query={"tag": tag},
                content=Content(headers=headers),
                seconds=None,
            )
        except EngineError as error:
            raise transfer.push_error(request.reference, error.message) from None
        return transfer.follow_push(request.reference, documents(response.chunks()), on_event)

    def add_referrer(self, reference: str, digest: str, artifact: Artifact) -> str:
        """See `buildr.engines.images.Images.add_referrer`."""
        from buildr_backends.shared import referrers

        return referrers.add_referrer(reference, digest, artifact, podman=False)

    def _build(self, request: BuildRequest, on_event: OnEvent) -> str:
        if request.own and self._info.builder.frontends:
            from buildr.archive.archive import Archive

            if isinstance(archive := request.context, Archive):
                from buildr_backends.docker.buildkit.build import build

                return build(self._client, request, archive, self._arguments(), on_event)
        return super()._build(request, on_event)

    def _build_query(self, request: BuildRequest) -> dict[str, str]:  # noqa: ARG002 - as for Podman
        return {"version": "1"}  # for generated ones: see docs/decisions.md

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


def _name_and_tag(reference: str) -> tuple[str, str]:
    """Split a reference as for the API: the name of an image, and its tag or digest."""
    name, at, digest = reference.partition("@")
    head, slash, last = name.rpartition("/")  # a colon before it belongs to a port
    last, _, tag = last.partition(":")
    return f"{head}{slash}{last}", digest if at else tag or "latest"
