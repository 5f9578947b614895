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
    """The script that does what its arguments say, with one image for all tests of an engine."""
    for directory in project_directory(engine):
        guest = Guest(engine, directory)
        assert guest.run("status", "0").returncode == 0  # the build says a few lines, once
        yield guest


@pytest.fixture
def nothing_left(engine: Engine) -> Iterator[None]:
    """Check that no container is left that was not there before."""
    before = engine.containers()
    yield
    assert engine.containers() <= before


@pytest.fixture(scope="module")
def nothing_left_behind(engine: Engine) -> Iterator[None]:
    """As `nothing_left`, but once for all tests of a module, since looking costs as much as a run; those of builds, too."""
    yield from images.nothing_left(engine)
