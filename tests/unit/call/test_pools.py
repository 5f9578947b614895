"""Workers that stay after a call: for which calls, and how long."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit import calls

if TYPE_CHECKING:
    from buildr.testing import FakeBackend

SECONDS = 60


def test_an_idle_worker_ends(work: Any, engine: FakeBackend) -> None:
    give = calls.options(work.give, call_keep_seconds=0.01)
    assert give.remote(1) == 1
    assert engine.runs[0].ends_within(SECONDS)
    assert give.remote(2) == 2
    assert len(engine.runs) == 2


def test_a_function_whose_file_was_edited_gets_new_workers(work: Any, engine: FakeBackend) -> None:
    assert work.give.remote(1) == work.give.remote(1)
    assert len(engine.runs) == 1
    os.utime(work.__file__, ns=(1, 1))
    assert work.give.remote(2) == 2
    assert len(engine.runs) == 2
    assert engine.runs[0].removed


def test_another_time_limit_or_format_reuses_the_worker(work: Any, engine: FakeBackend) -> None:
    assert work.give.remote(1) == 1
    assert work.give.within(SECONDS).remote(2) == 2
    assert len(engine.runs) == 1


def test_each_call_passes_its_own_variables(
    work: Any, engine: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    give = calls.options(work.give, env={"HANDED_ON": None})
    for value in ("one", "two"):
        monkeypatch.setenv("HANDED_ON", value)
        assert give.remote(1) == 1
    assert [run.environment["HANDED_ON"] for run in engine.runs] == ["one", "two"]


@pytest.mark.parametrize(
    "runtime", [{"call_fresh": True}, {"name": "only"}, {"ports": [8080]}, {"outputs": "out"}]
)
def test_no_worker_stays_that_holds_a_shared_resource(
    work: Any, engine: FakeBackend, runtime: Any
) -> None:
    give = calls.options(work.give, **runtime)
    assert [give.remote(1), give.remote(2)] == [1, 2]
    assert len(engine.runs) == 2
    assert all(run.removed for run in engine.runs)
