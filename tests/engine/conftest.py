"""Fixtures of the engine tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import project_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.harness import Engine


@pytest.fixture
def project(engine: Engine) -> Iterator[Path]:
    """An empty directory of the engine's user."""
    yield from project_directory(engine)


@pytest.fixture
def nothing_left(engine: Engine) -> Iterator[None]:
    """Check that no container is left that was not there before."""
    before = engine.containers()
    yield
    assert engine.containers() <= before
