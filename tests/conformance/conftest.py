"""Fixtures of the conformance tests: the engine of ``--backend``, for the user who runs them."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import pytest

from buildr.engines import registry
from tests.conformance.judged import LABEL, Containers, Judged, build
from tests.conftest import stored_state

# Fixtures that the tests of scripts need.
from tests.engine.conftest import guest, nothing_left, project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from buildr.engines.protocol import Backend

__all__ = ["guest", "nothing_left", "project"]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:  # noqa: ARG001 - named by pytest
    """Ignore these tests without ``--backend``."""
    return None if config.getoption("--backend") else True


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """The backend, connected to its engine."""
    choice = registry.choose(flag=request.config.getoption("--backend"))
    connection = registry.connect(choice, print)
    yield connection
    for image in connection.images({LABEL: "1"}):
        connection.remove_image(image.id)
    connection.close()


@pytest.fixture(scope="session")
def base(request: pytest.FixtureRequest, backend: Backend) -> str:
    """The stored base image."""
    named = (
        request.config.getoption("--base-image")
        or os.environ.get("BUILDR_BASE_IMAGE")
        or stored_state().get("base_image")
    )
    if not named:
        pytest.fail("--base-image needs the reference of a stored image with Python and a shell")
    if backend.image(str(named)) is None:
        pytest.fail(f"the engine does not store the image {named} (--base-image)")
    return str(named)


@pytest.fixture(scope="session")
def registry_address(request: pytest.FixtureRequest) -> str:
    """An open registry to which the engine can push."""
    address = request.config.getoption("--registry")
    if not address:
        pytest.skip("there is no --registry")
    return str(address)


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest, backend: Backend, base: str) -> Judged:
    """The engine, for the tests of scripts."""
    return Judged(request.config.getoption("--backend"), base, backend)


@pytest.fixture(scope="module")
def nothing_left_behind(engine: Judged) -> Iterator[None]:
    """Check that no new container of a run is left."""
    before = engine.containers()
    yield
    assert engine.containers() <= before


@pytest.fixture(scope="session")
def image(backend: Backend, base: str) -> str:
    """An image for containers: the base with a world-writable folder."""
    return build(backend, f"FROM {base}\nRUN mkdir -m 777 /data\nWORKDIR /data\n")


@pytest.fixture
def containers(backend: Backend, image: str) -> Iterator[Containers]:
    """Creates containers, and removes them after the test."""
    made = Containers(backend, image)
    yield made
    made.remove()


@pytest.fixture
def unique() -> str:
    """A unique name."""
    return f"conformance-{secrets.token_hex(5)}"
