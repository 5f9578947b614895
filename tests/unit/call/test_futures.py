"""Calls in the background: `Containerized.spawn` and `Containerized.executor`."""

from __future__ import annotations

import asyncio
import concurrent.futures
from typing import TYPE_CHECKING, Any

import pytest

from buildr.errors import CallCancelledError, EntryError, RemoteError, TransferError
from tests.unit import calls
from tests.unit.call.test_map import Gate

if TYPE_CHECKING:
    from buildr.testing import FakeBackend


def double(x: int) -> int:
    return 2 * x


# spawn ----------------------------------------------------------------------------------------------------


def test_a_spawned_call_returns_a_future(
    work: Any, engine: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    engine.guest = gate = Gate()
    futures = [work.give.spawn(number) for number in range(2)]
    gate.let(1, 0)
    assert [future.result() for future in futures] == [0, 1]
    assert all(isinstance(future, concurrent.futures.Future) for future in futures)
    assert not futures[0].cancel()


def test_an_exception_of_a_spawned_call_is_raised_by_result(work: Any, engine: FakeBackend) -> None:
    with pytest.raises(ValueError, match="bad"):
        work.fail.spawn("value").result()
    with pytest.raises(RemoteError, match=r"sys\.exit"):
        work.fail.spawn("exit").result()
    with pytest.raises(TransferError, match="x cannot travel"):
        work.give.spawn(1j)
    with pytest.raises(EntryError):
        work.maker().spawn()
    assert len(engine.runs) <= 2


def test_spawned_calls_have_the_concurrency_limit_of_map(
    work: Any, engine: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    engine.guest = gate = Gate()
    futures = [work.give.spawn(number) for number in range(6)]
    gate.wait_for(2)
    gate.let(*range(6))
    assert [future.result() for future in futures] == list(range(6))
    assert gate.most <= 2


def test_cancelling_a_future_ends_its_call(work: Any, engine: FakeBackend) -> None:
    engine.guest = gate = Gate()
    future = work.give.spawn(1)
    gate.wait_for(1)
    assert future.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result()
    assert future.cancelled()
    assert gate.interrupted == [1]
    other = work.give.spawn(2)
    gate.wait_for(2)
    work.give.cancel()
    with pytest.raises(CallCancelledError):
        other.result()


def test_a_future_of_an_async_function_can_be_awaited(work: Any, engine: FakeBackend) -> None:
    async def main() -> Any:
        return await asyncio.wrap_future(work.later.spawn(3))

    assert asyncio.run(main()) == 3
    assert len(engine.runs) == 1


# executor -------------------------------------------------------------------------------------------------


def test_an_executor_calls_its_function(work: Any, engine: FakeBackend) -> None:
    with work.give.executor(2) as executor:
        assert isinstance(executor, concurrent.futures.Executor)
        assert executor.submit(work.give, 1).result() == 1
        assert list(executor.map(work.give.local, range(5))) == list(range(5))
        with pytest.raises(TransferError, match="calls only that function, not <function double"):
            executor.submit(double, 1)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(work.give, 1)
    executor.shutdown()
    assert len(engine.runs) <= 2


def test_with_pickle_an_executor_calls_other_functions(work: Any, engine: FakeBackend) -> None:
    give = calls.options(work.give, call_format="pickle")
    with give.executor() as executor:
        assert executor.submit(double, 4).result() == 8
        assert list(executor.map(double, (1, 2))) == [2, 4]
    assert len(engine.runs) <= 4


def test_shutting_down_an_executor_waits_for_or_cancels_calls(
    work: Any, engine: FakeBackend
) -> None:
    engine.guest = gate = Gate()
    executor = work.give.executor(1)
    first, second = executor.submit(work.give, 1), executor.submit(work.give, 2)
    gate.wait_for(1)
    executor.shutdown(wait=False)
    gate.let(1, 2)
    assert (first.result(), second.result()) == (1, 2)
    executor = work.give.executor(1)
    third = executor.submit(work.give, 3)
    gate.wait_for(3)
    executor.shutdown(cancel_futures=True)
    assert third.cancelled()
    assert gate.interrupted == [3]


def test_inside_a_container_spawned_calls_run_in_this_process(
    work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDR_IN_CONTAINER", "1")
    assert work.give.spawn((1,)).result() == (1,)
    assert work.later.spawn(2).result() == 2
    with pytest.raises(ValueError, match="bad"):
        work.fail.spawn("value").result()
    assert list(work.add.starmap([(1, 2)])) == [{"sum": 3}]
    assert [type(each) for each in work.fail.map(["value"], return_exceptions=True)] == [ValueError]
    with work.give.executor() as executor:
        assert executor.submit(double, 2).result() == 4
