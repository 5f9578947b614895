"""Fixtures of the conformance tests: one engine, that of ``--backend``, for the user who runs them."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import pytest

from buildr.engines import registry
from tests.conformance.judged import LABEL, Containers, Judged, build
from tests.conftest import stored_state

# What the scripts' tests want.
from tests.engine.conftest import guest, nothing_left, project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from buildr.engines.protocol import Backend

__all__ = ["guest", "nothing_left", "project"]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:  # noqa: ARG001 - pytest's names
    """Leave all of it out where no backend is to be judged."""
    return None if config.getoption("--backend") else True


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """The connection to the engine."""
    choice = registry.choose(flag=request.config.getoption("--backend"))
    connection = registry.connect(choice, print)
    yield connection
    for image in connection.images({LABEL: "1"}):
        connection.remove_image(image.id)
    connection.close()


@pytest.fixture(scope="session")
def base(request: pytest.FixtureRequest, backend: Backend) -> str:
    """The stored image that everything is built on."""
    named = (
        request.config.getoption("--base-image")
        or os.environ.get("BUILDR_BASE_IMAGE")
        or stored_state().get("base_image")
    )
    if not named:
        pytest.fail("--base-image wants the reference of a stored image with Python and a shell")
    if backend.image(str(named)) is None:
        pytest.fail(f"the engine does not store the image {named} (--base-image)")
    return str(named)


@pytest.fixture(scope="session")
def registry_address(request: pytest.FixtureRequest) -> str:
    """An open registry that the engine may push to."""
    address = request.config.getoption("--registry")
    if not address:
        pytest.skip("no registry was named by --registry")
    return str(address)


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest, backend: Backend, base: str) -> Judged:
    """The engine as the scripts' tests want it."""
    return Judged(request.config.getoption("--backend"), base, backend)


@pytest.fixture(scope="module")
def nothing_left_behind(engine: Judged) -> Iterator[None]:
    """Check that no container of a run is left that was not there before."""
    before = engine.containers()
    yield
    assert engine.containers() <= before


@pytest.fixture(scope="session")
def image(backend: Backend, base: str) -> str:
    """An image for containers: the base with a folder that anybody may write to."""
    return build(backend, f"FROM {base}\nRUN mkdir -m 777 /data\nWORKDIR /data\n")


@pytest.fixture
def containers(backend: Backend, image: str) -> Iterator[Containers]:
    """Makes containers, and removes them in the end."""
    made = Containers(backend, image)
    yield made
    made.remove()


@pytest.fixture
def unique() -> str:
    """A unique name."""
    return f"conformance-{secrets.token_hex(5)}"
