"""The benchmark cases: what each measures, on which engines, and its target.

Each is a function of a `benchmarks.bench.Bench` that yields measures. They run in the order of `CASES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.cases import builds, calls, edits, metaparticle, runs, steps, store, streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.bench import Bench
    from benchmarks.results import Measure

ENGINES = ("podman-rootless", "podman-root", "docker")
_USUAL = ("podman-rootless", "docker")


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name: what ``--case`` takes.
        measure: a function that yields the measures.
        engines: the default engines; empty if the case needs no engine.
    """

    name: str
    measure: Callable[[Bench], Iterator[Measure]]
    engines: tuple[str, ...] = _USUAL


CASES = (
    Case("command", runs.command, ()),
    Case("nothing-changed", runs.nothing_changed, ENGINES),
    Case("no-service", runs.no_service, ("podman-rootless",)),
    Case("large-store", store.large_store),
    Case("guest-import", runs.guest_import, ("podman-rootless",)),
    Case("latency", streams.latency),
    Case("throughput", streams.throughput),
    Case("calls", calls.calls, ENGINES),
    Case("dependencies", edits.dependencies),
    Case("many-files", edits.many_files),
    Case("first-build", builds.first_build),
    Case("peers", edits.peers),
    Case("context-memory", builds.context_memory),
    Case("metaparticle", metaparticle.metaparticle, ("docker",)),
    Case("steps", steps.steps, ENGINES),
)
