"""One build by BuildKit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from buildr.errors import BuildError, EngineError
from buildr_backends.docker.buildkit.progress import follow_build
from buildr_backends.docker.buildkit.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from buildr.archive.archive import Archive
    from buildr.engines.records import BuildRequest, OnEvent
    from buildr_backends.http.client import Client

_CLASSIC = "DOCKER_BUILDKIT=0 builds it with the classic builder, which supports less."


def build(
    client: Client,
    request: BuildRequest,
    archive: Archive,
    arguments: Mapping[str, str],
    on_event: OnEvent,
) -> str:
    """Build a user's own Containerfile; return the image's id.

    Args:
        client: to the engine.
        request: the build.
        archive: its context.
        arguments: arguments of the build, which reach neither an image nor its history.
        on_event: called with each step and each line of its output.

    Raises:
        BuildError: a step failed, or the engine has no BuildKit.
        ContextError: a file cannot be sent.
        OptionError: a login would travel in clear.
    """
    try:
        session = Session(client, archive, request.containerfile, request.secrets.values)
    except EngineError as error:
        raise BuildError(
            f"the engine accepts no session of BuildKit: {error.message}", hint=_CLASSIC
        ) from None
    query = {
        "version": "2",
        "session": session.id,
        "remote": "client-session",
        "dockerfile": request.containerfile,
        "labels": json.dumps(dict(request.labels)),
        "buildargs": json.dumps(dict(arguments)),
        "nocache": "0" if request.cache else "1",
    }
    with session:
        try:
            response = client.request("POST", "/build", query=query, seconds=None)
        except EngineError as error:
            raise session.error or BuildError(
                f"the engine refused the build: {error.message}"
            ) from None
        try:
            return follow_build(response.chunks(), on_event)
        except BuildError:
            if session.error is not None:
                raise session.error from None
            raise
        finally:
            response.close()  # a build that is no longer followed must not continue
