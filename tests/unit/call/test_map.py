"""`Containerized.map`: many calls, a few at a time, results in order."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from buildr.errors import (
    BuildError,
    CallCancelledError,
    CallTimeoutError,
    EntryError,
    OptionError,
    TransferError,
)
from buildr.testing import FakeBackend, FakeContainer, call_in
from tests.unit import calls

if TYPE_CHECKING:
    from collections.abc import Iterator


class Gate:
    """A guest that returns its argument when it is released.

    Attributes:
        most: the maximum number of concurrent guests.
        began: the arguments, in the order of their starts.
        interrupted: the arguments of interrupted guests.
    """

    def __init__(self) -> None:
        self.most = 0
        self.began: list[Any] = []
        self.interrupted: list[Any] = []
        self._changed = threading.Condition()
        self._running = 0
        self._let: set[Any] = set()

    def __call__(self, container: FakeContainer) -> int:
        call = call_in(container)
        assert call is not None
        (value,) = call.args
        container.signals.catch(signal.SIGINT)
        threading.Thread(target=self._listen, args=(container, value), daemon=True).start()
        with self._changed:
            self.began.append(value)
            self._running += 1
            self.most = max(self.most, self._running)
            self._changed.notify_all()
            self._changed.wait_for(lambda: value in self._let or value in self.interrupted)
            self._running -= 1
        return call.returns(value)

    def _listen(self, container: FakeContainer, value: Any) -> None:
        try:
            container.signals.wait()
        except BaseException:  # noqa: BLE001 - the container has ended
            return
        with self._changed:
            self.interrupted.append(value)
            self._changed.notify_all()

    def let(self, *values: Any) -> None:
        with self._changed:
            self._let.update(values)
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.began) >= count, 60)


def test_results_have_the_order_of_the_inputs(work: Any, engine: FakeBackend) -> None:
    engine.guest = gate = Gate()
    results = work.give.map(range(4), concurrency=4)
    gate.wait_for(4)
    gate.let(3, 2, 1)
    gate.let(0)
    assert list(results) == [0, 1, 2, 3]
    assert len(engine.builds) == 1


def test_concurrency_is_limited(work: Any, engine: FakeBackend) -> None:
    engine.guest = gate = Gate()
    results = work.give.map(range(6), concurrency=2)
    gate.wait_for(2)
    gate.let(*range(6))
    assert list(results) == list(range(6))
    assert gate.most == 2


def test_inputs_are_consumed_lazily(work: Any, engine: FakeBackend) -> None:
    taken: list[int] = []

    def inputs() -> Iterator[int]:
        for n in itertools.count():
            taken.append(n)
            yield n

    with work.give.map(inputs(), concurrency=2) as results:
        assert [next(results), next(results)] == [0, 1]
        assert len(taken) <= 6
    assert list(results) == []
    assert len(engine.runs) <= len(taken)


def test_several_inputs_are_several_arguments(work: Any, engine: FakeBackend) -> None:
    assert list(work.add.map([1, 2, 3], [10, 20])) == [{"sum": 11}, {"sum": 22}]
    assert len(engine.runs) <= 2


def test_the_first_exception_is_raised_in_order_and_cancels_the_rest(
    work: Any, engine: FakeBackend
) -> None:
    gate = Gate()

    def guest(container: FakeContainer) -> int:
        call = call_in(container)
        assert call is not None
        if call.args == (1,):
            return call.raises(ValueError("no"))
        return gate(container)

    engine.guest = guest
    results = work.give.map([0, 1, 2, 3], concurrency=4)
    gate.wait_for(3)
    gate.let(0)
    assert next(results) == 0
    with pytest.raises(ValueError, match="no"):
        next(results)
    assert set(gate.interrupted) == {2, 3}
    assert next(results, "the end") == "the end"


def test_an_input_that_cannot_travel_is_refused_in_order(work: Any, engine: FakeBackend) -> None:
    results = work.give.map([1, 2j, 3], concurrency=1)
    assert next(results) == 1
    with pytest.raises(TransferError, match="x cannot travel: it is of the type complex"):
        next(results)
    assert len(engine.runs) <= 2


def test_an_exception_of_the_inputs_ends_the_map(work: Any, engine: FakeBackend) -> None:
    def inputs() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(work.give.map(inputs()))
    assert len(engine.runs) <= 1


def test_stop_iteration_of_a_function_does_not_end_the_map(work: Any, engine: FakeBackend) -> None:
    with pytest.raises(RuntimeError, match="the function raised StopIteration"):
        list(work.fail.map(["stop"]))
    assert len(engine.runs) == 1


def test_closing_cancels_running_calls(work: Any, engine: FakeBackend) -> None:
    engine.guest = gate = Gate()
    results = work.give.map(range(10), concurrency=3)
    gate.wait_for(3)
    results.close()
    results.close()
    assert sorted(gate.interrupted) == [0, 1, 2]
    assert len(engine.runs) == 3
    assert list(results) == []


def test_a_forgotten_iterator_is_closed(work: Any, engine: FakeBackend) -> None:
    engine.guest = gate = Gate()
    results = work.give.map(range(3), concurrency=3)
    gate.wait_for(3)
    settled = threading.Event()
    close = results._session.close

    def settle() -> None:
        close()
        settled.set()

    results._session.close = settle
    del results
    gc.collect()
    assert settled.wait(60)
    assert sorted(gate.interrupted) == [0, 1, 2]


def test_cancel_ends_all_calls(work: Any, engine: FakeBackend) -> None:
    engine.guest = gate = Gate()
    results = work.give.map(range(2), concurrency=2)
    gate.wait_for(2)
    work.give.cancel()
    with pytest.raises(CallCancelledError):
        next(results)
    assert sorted(gate.interrupted) == [0, 1]


def test_an_interrupt_ends_all_calls(work: Any, engine: FakeBackend) -> None:
    engine.guest = gate = Gate()
    results = work.give.map(range(3), concurrency=3)
    gate.wait_for(3)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - a signal may arrive on either line
        os.kill(os.getpid(), signal.SIGINT)
        next(results)
    results.close()
    assert sorted(gate.interrupted) == [0, 1, 2]


def test_each_call_has_its_own_time_limit(work: Any, engine: FakeBackend) -> None:
    engine.guest = gate = Gate()
    results = work.give.within(0.01).map([0, 1], concurrency=1)
    with pytest.raises(CallTimeoutError):
        next(results)
    assert gate.interrupted[:1] == [0]


@pytest.mark.parametrize("concurrency", [0, -1, True, 1.5, "2"])
def test_concurrency_is_a_positive_number(work: Any, engine: FakeBackend, concurrency: Any) -> None:
    with pytest.raises(OptionError, match="concurrency cannot be"):
        work.give.map([], concurrency=concurrency)
    assert engine.operations == []


@pytest.mark.parametrize("runtime", [{"name": "only"}, {"ports": [8080]}])
def test_exclusive_options_limit_concurrency_to_one(
    work: Any, engine: FakeBackend, runtime: Any
) -> None:
    give = calls.options(work.give, **runtime)
    assert list(give.map([1, 2, 3])) == [1, 2, 3]
    with pytest.raises(OptionError, match=rf"runtime\.{next(iter(runtime))} and concurrency=2"):
        give.map([1], concurrency=2)
    assert len(engine.runs) == 3


def test_a_failing_build_is_raised_immediately(work: Any, engine: FakeBackend) -> None:
    engine.fail("build", BuildError("step 3 failed"))
    with pytest.raises(BuildError, match="step 3 failed"):
        work.give.map([1, 2])
    assert engine.closed
    with pytest.raises(EntryError):
        work.maker().map([1])


def test_inside_a_container_it_is_the_built_in_map(
    work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDR_IN_CONTAINER", "1")
    assert list(work.give.map([(1,), 2])) == [(1,), 2]

    async def later() -> list[Any]:
        return [x async for x in work.later.map([1, 2])]

    assert asyncio.run(later()) == [1, 2]


# async def ------------------------------------------------------------------------------------------------


def test_an_async_function_is_mapped_asynchronously(work: Any, engine: FakeBackend) -> None:
    async def main() -> list[Any]:
        return [x async for x in work.later.map(range(5), concurrency=2)]

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]
    assert len(engine.runs) <= 2


def test_leaving_an_async_iterator_cancels_the_rest(work: Any, engine: FakeBackend) -> None:
    engine.guest = gate = Gate()

    async def main() -> None:
        gate.let(0)
        async with work.later.map(range(3), concurrency=3) as results:
            assert await anext(results) == 0
            await asyncio.to_thread(gate.wait_for, 3)
        with pytest.raises(StopAsyncIteration):
            await anext(results)

    asyncio.run(main())
    assert sorted(gate.interrupted) == [1, 2]


def test_an_exception_ends_an_async_iterator(work: Any, engine: FakeBackend) -> None:
    async def main() -> None:
        results = work.later.map([1, 2j, 3])
        assert await anext(results) == 1
        with pytest.raises(TransferError):
            await anext(results)
        assert [x async for x in results] == []

    asyncio.run(main())
    assert len(engine.runs) <= 2


# Other manners --------------------------------------------------------------------------------------------


def test_each_input_of_starmap_has_all_arguments(work: Any, engine: FakeBackend) -> None:
    assert list(work.add.starmap([(1, 10), [2]])) == [{"sum": 11}, {"sum": 4}]
    assert list(work.add.starmap(iter([]))) == []
    assert len(engine.runs) <= 2


def test_unordered_results_come_in_the_order_of_completion(work: Any, engine: FakeBackend) -> None:
    engine.guest = gate = Gate()
    with work.give.map(range(3), concurrency=3, ordered=False) as results:
        gate.wait_for(3)
        for value in (2, 0, 1):
            gate.let(value)
            assert next(results) == value
        assert next(results, "the end") == "the end"


def test_exceptions_can_be_returned(work: Any, engine: FakeBackend) -> None:
    first, second, third = work.fail.map(
        ["value", "complex", "stop"], concurrency=1, return_exceptions=True
    )
    assert (type(first), first.args) == (ValueError, ("bad", 1))
    assert type(second) is TransferError
    assert type(third) is StopIteration
    refused, fine = work.give.map([1j, 1], return_exceptions=True)
    assert (type(refused), fine) == (TransferError, 1)
    assert len(engine.runs) >= 1


def test_an_async_function_has_the_same_options(work: Any, engine: FakeBackend) -> None:
    engine.guest = gate = Gate()

    async def main() -> list[Any]:
        found = []
        async with work.later.map(
            [0, 1, 2j], concurrency=2, ordered=False, return_exceptions=True
        ) as results:
            found.append(type(await anext(results)))
            await asyncio.to_thread(gate.wait_for, 2)
            for value in (1, 0):
                gate.let(value)
                found.append(await anext(results))
        return found

    assert asyncio.run(main()) == [TransferError, 1, 0]
