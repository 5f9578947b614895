"""Faults on real engines: nothing is lost, nothing is left behind, and the status is right.

One of each kind; ``make faults`` injects them often and at every point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.bench import Bench
from tests.faults.table import few

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.engine.harness import Engine

FEW = dict(few())


@pytest.fixture(scope="module")
def bench(engine: Engine) -> Iterator[Bench]:
    with Bench(engine) as found:
        yield found


@pytest.mark.parametrize("trial", FEW.values(), ids=FEW)
def test_a_fault_has_the_promised_outcome(
    bench: Bench, trial: Callable[[Bench], list[str]]
) -> None:
    assert trial(bench) == []
