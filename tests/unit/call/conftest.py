"""Fixtures of the tests of call mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildr.testing import FakeBackend, using
from tests.unit import calls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    yield from calls.imported(tmp_path, monkeypatch)


@pytest.fixture
def engine() -> Iterator[FakeBackend]:
    with using(FakeBackend()) as backend:
        yield backend
    assert all(run.removed for run in backend.runs)  # including idle workers
    assert backend.closed or not backend.operations
