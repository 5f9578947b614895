"""Replacing the engines by a backend."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from buildr.engines import registry
from buildr.errors import BackendError, EngineNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from buildr.engines.protocol import Backend, Connect
    from buildr.engines.records import Target

B = TypeVar("B", bound="Backend")

_INSIDE = "BUILDR_IN_CONTAINER"


def end_workers() -> None:
    """End the containers that wait for further calls of functions."""
    if (pools := sys.modules.get("buildr.call.pools")) is not None:
        pools.close_all()


@overload
def using(backends: B) -> AbstractContextManager[B]: ...


@overload
def using(
    backends: Mapping[str, Backend | BackendError],
) -> AbstractContextManager[Mapping[str, Backend | BackendError]]: ...


@contextlib.contextmanager
def using(backends: Any) -> Iterator[Any]:
    """Let everything that Buildr does in this process, in all threads, use a backend of yours.

    Meanwhile ``BUILDR_IN_CONTAINER`` is ``0``, so that a decorated function acts as on a host even where the tests
    themselves run in a container.

    Args:
        backends: one backend for whatever is chosen; or backends by name, an error in the place of one that
            cannot be reached. With names, any other one counts as not installed.

    Yields:
        What was given.
    """
    end_workers()
    before, registry.substitute = registry.substitute, _substitute(backends)
    inside = os.environ.get(_INSIDE)
    os.environ[_INSIDE] = "0"
    try:
        yield backends
    finally:
        end_workers()
        registry.substitute = before
        if inside is None:
            os.environ.pop(_INSIDE, None)
        else:
            os.environ[_INSIDE] = inside


def _substitute(
    backends: Backend | Mapping[str, Backend | BackendError],
) -> Callable[[str], Connect]:
    def substitute(name: str) -> Connect:
        def connect(target: Target) -> Backend:  # noqa: ARG001 - the signature is the protocol's
            if not isinstance(backends, Mapping):
                return backends
            found = backends.get(name)
            if found is None:
                raise EngineNotFoundError(f"the test has no backend {name!r}")
            if isinstance(found, BackendError):
                raise found
            return found

        return connect

    return substitute
