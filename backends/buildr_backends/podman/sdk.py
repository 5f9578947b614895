"""podman-py: the only place where it is used, and where its exceptions become our errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from buildr.engines.records import EngineDetails
from buildr.errors import EngineError
from buildr_backends.http.client import ANSWER_SECONDS

if TYPE_CHECKING:
    from podman import PodmanClient

    from buildr_backends.http.client import Client


def details(client: Client) -> EngineDetails:
    """Ask for what ``podman info`` reports.

    Raises:
        EngineError: podman-py or the engine failed.
    """
    if client.endpoint.tls:  # which podman-py does not speak
        return client.request("GET", "/info", seconds=ANSWER_SECONDS).json(read_details)
    from podman import PodmanClient

    from buildr_backends.shared.sdk_transport import take_over

    url = client.endpoint.url
    try:
        with PodmanClient(base_url=url, timeout=ANSWER_SECONDS) as podman:
            podman.api.trust_env = False  # a proxy for HTTP is not meant for an engine
            take_over(podman.api, client.endpoint, ANSWER_SECONDS)
            return read_details(_info(podman))
    except sdk_errors() as error:
        raise EngineError(f"Podman at {url} failed: {error}", message=str(error)) from None


def read_details(found: Any) -> EngineDetails:
    """Read what ``podman info`` reports."""
    host, store = found["host"], found["store"]
    return EngineDetails(
        storage_driver=store.get("graphDriverName", ""),
        cgroup_version=str(host.get("cgroupVersion", "")).removeprefix("v"),
        oci_runtime=(host.get("ociRuntime") or {}).get("name", ""),
        network=host.get("networkBackend", ""),
        kernel=host.get("kernel", ""),
        user_ids=sum(row["size"] for row in (host.get("idMappings") or {}).get("uidmap") or ()),
        configuration="containers",
    )


def sdk_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that podman-py raises: its own, its transport's, and those that malformed answers lead to."""
    from http.client import HTTPException

    from podman.errors import APIError, DockerException, StreamParseError
    from urllib3.exceptions import HTTPError

    of_form = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
    return (
        APIError,
        DockerException,
        StreamParseError,
        HTTPException,
        HTTPError,
        OSError,
        *of_form,
    )


def _info(podman: PodmanClient) -> Any:
    return podman.info()  # type: ignore[no-untyped-call]  # podman-py has no annotation there
