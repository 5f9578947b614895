"""docker-py: the only place where it is used as an engine's client, and where its exceptions become our errors."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from buildr.engines.records import EngineDetails
from buildr.errors import EngineError, EngineLostError, EngineUnavailableError
from buildr_backends.http.client import ANSWER_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import APIClient

    from buildr_backends.http.client import Client


def details(client: Client) -> EngineDetails:
    """Ask for what ``docker info`` reports.

    Raises:
        BackendError: docker-py or the engine failed.
    """
    with sdk(client, ANSWER_SECONDS) as docker, mapped(client):
        return read_details(docker.info())


def read_details(found: Any) -> EngineDetails:
    """Read what ``docker info`` reports."""
    return EngineDetails(
        storage_driver=found.get("Driver", ""),
        cgroup_version=found.get("CgroupVersion", ""),
        oci_runtime=found.get("DefaultRuntime", ""),
        network="libnetwork",
        kernel=found.get("KernelVersion", ""),
        configuration="docker",
    )


@contextlib.contextmanager
def sdk(client: Client, seconds: float) -> Iterator[APIClient]:
    """Open docker-py's client.

    Args:
        client: to the same engine.
        seconds: how long each answer may take.
    """
    from docker import APIClient
    from docker.tls import TLSConfig

    from buildr_backends.shared.sdk_transport import take_over

    endpoint = client.endpoint
    with contextlib.ExitStack() as stack:
        with mapped(client):
            tls: Any = False
            if endpoint.tls:
                certificate, key = endpoint.tls_file("cert"), endpoint.tls_file("key")
                tls = TLSConfig(
                    client_cert=(certificate, key) if certificate and key else None,
                    ca_cert=endpoint.tls_file("ca"),
                    verify=endpoint.tls_verify,
                )
            version = client.prefix.removeprefix("/v")
            docker = APIClient(endpoint.url, version=version, tls=tls, timeout=round(seconds))
            stack.callback(docker.close)
            docker.trust_env = False  # a proxy for HTTP is not meant for an engine
            take_over(docker, endpoint, seconds)
        yield docker


@contextlib.contextmanager
def mapped(client: Client) -> Iterator[None]:
    """Turn docker-py's exceptions into our errors."""
    from docker.errors import APIError, DockerException
    from requests import Timeout
    from urllib3.exceptions import TimeoutError as PoolTimeout

    url = client.endpoint.url
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


def sdk_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that docker-py raises: its own, its transport's, and those that malformed answers lead to."""
    from http.client import HTTPException

    from docker.errors import DockerException, StreamParseError
    from urllib3.exceptions import HTTPError

    of_form = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
    return (DockerException, StreamParseError, HTTPException, HTTPError, OSError, *of_form)
