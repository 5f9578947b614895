"""Fixtures of the engine tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine import images
from tests.engine.harness import Guest, project_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.harness import Engine


@pytest.fixture
def project(engine: Engine) -> Iterator[Path]:
    """An empty directory of the engine's user."""
    yield from project_directory(engine)


@pytest.fixture(scope="session")
def guest(engine: Engine) -> Iterator[Guest]:
    """The script whose arguments choose what it does; all tests of an engine share its image."""
    for directory in project_directory(engine):
        guest = Guest(engine, directory)
        assert guest.run("status", "0").returncode == 0  # the build prints a few lines
        yield guest


@pytest.fixture
def nothing_left(engine: Engine) -> Iterator[None]:
    """Check that no new container is left."""
    before = engine.containers()
    yield
    assert engine.containers() <= before


@pytest.fixture(scope="module")
def nothing_left_behind(engine: Engine) -> Iterator[None]:
    """Like `nothing_left`, once per module, since listing costs as much as a run; includes containers of builds."""
    yield from images.nothing_left(engine)
