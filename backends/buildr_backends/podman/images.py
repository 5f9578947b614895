"""Images on Podman, where they differ from Docker's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from msgspec.structs import replace

from buildr.errors import EngineError
from buildr_backends.http.request import Content, quote
from buildr_backends.shared.images import HttpImages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buildr.engines.artifact import Artifact
    from buildr.engines.records import BuildRequest, OnEvent, PushRequest
    from buildr_backends.http.response import Response
    from buildr_backends.shared.append_layer import Stored

_SECRET = ".buildr-secret-"  # noqa: S105 - how the files of secrets are called on their way


class PodmanImages(HttpImages):
    """`buildr.engines.images.Images` for Podman."""

    def appends(self) -> bool:
        """See `buildr.engines.images.Images.appends`."""
        return True

    def left_builds(self) -> Sequence[str]:
        """See `buildr.engines.images.Images.left_builds`."""
        from buildr_backends.podman.private_service import left_behind

        return [service.endpoint.path for service in left_behind()]

    def end_build(self, build: str) -> None:
        """See `buildr.engines.images.Images.end_build`."""
        from buildr_backends.podman import build as podman_build
        from buildr_backends.podman.private_service import left_behind

        for service in left_behind():
            if service.endpoint.path == build:
                podman_build.end(service)

    def _request_pull(self, reference: str) -> Response:
        # Plain HTTP: podman-py's pull sends tlsVerify=true whatever registries.conf says.
        return self._client.request(
            "POST",
            "/images/pull",
            query={"reference": reference},
            content=Content(headers=self._login(reference, podman=True)),
            seconds=None,
        )

    def push(self, request: PushRequest, on_event: OnEvent) -> str:
        """See `buildr.engines.images.Images.push`."""
        from buildr_backends.http.json_stream import documents
        from buildr_backends.shared import referrers, transfer

        # Plain HTTP: podman-py's push throws the answer's stream away, errors included.
        try:
            response = self._client.request(
                "POST",
                f"/images/{quote(request.image)}/push",
                query={"destination": request.reference, "quiet": "false"},
                content=Content(headers=self._login(request.reference, podman=True)),
                seconds=None,
            )
        except EngineError as error:
            raise transfer.push_error(request.reference, error.message) from None
        reference = request.reference
        told = transfer.follow_push(reference, documents(response.chunks()), on_event)
        # Podman before 4.5 does not report it.
        return told or referrers.digest_in_registry(reference, request.image, podman=True)

    def add_referrer(self, reference: str, digest: str, artifact: Artifact) -> str:
        """See `buildr.engines.images.Images.add_referrer`."""
        from buildr_backends.shared import referrers

        return referrers.add_referrer(reference, digest, artifact, podman=True)

    def _build(self, request: BuildRequest, on_event: OnEvent) -> str:
        if request.secrets.values:
            from buildr.archive.archive import ahead
            from buildr.archive.parts import Member

            # Podman moves them out of the context before it builds.
            members = [
                Member(path=f"{_SECRET}{number}", data=value, mode=0o600)
                for number, value in enumerate(request.secrets.values.values())
            ]
            request = replace(request, context=ahead(members, request.context))
        return super()._build(request, on_event)

    def _build_query(self, request: BuildRequest) -> dict[str, str]:
        # Without the type it is taken for a variable if the service has one of that name.
        secrets = [
            f"id={name},type=file,src={_SECRET}{number}"
            for number, name in enumerate(request.secrets.values)
        ]
        # Without `layers` Podman keeps no cache; the base image has been pulled already, as far as it could be known.
        return {
            "layers": "1",
            "pullpolicy": "missing" if request.own else "never",
            **({"secrets": json.dumps(secrets)} if secrets else {}),
            "httpproxy": "1",  # those of the service, as the command's build has them
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
