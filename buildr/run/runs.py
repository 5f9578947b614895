"""The runs of this user, for the commands that list, follow and end them."""

from __future__ import annotations

import os
import time
from threading import TIMEOUT_MAX
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr import labels
from buildr.engines import ownership
from buildr.engines.records import short_id
from buildr.errors import BuildrError
from buildr.labels import PROJECT
from buildr.run.cleanup import has_ended, is_detached
from buildr.run.keep import is_kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from buildr.engines.ownership import Host
    from buildr.engines.protocol import Backend
    from buildr.engines.records import ContainerState

_FALLBACK_GRACE_SECONDS = 10.0


class Run(Struct, frozen=True, kw_only=True):
    """One container of Buildr."""

    id: str
    """The id of the run."""
    backend: Backend
    container: ContainerState
    name: str
    """The name of the script or module."""
    project: str
    """The project's key."""
    host: Host
    kept: bool
    """Whether it is kept for inspection after its end: see `buildr.run.keep`."""
    detached: bool
    """Whether it needs no host process: see `buildr.run.detach`."""
    pid: int | None
    """The state of the host process, if the run has one."""
    created: int
    """Seconds since the epoch; 0: unknown."""
    grace_seconds: float

    @property
    def is_ours(self) -> bool:
        """Whether this user started it on this machine, as far as can be proven."""
        return self.host != "another machine"

    @property
    def owner(self) -> str:
        """Its owner, for users: a host process that is alive, gone or unknown, or none if it is detached or kept."""
        if self.detached or self.kept:
            return "detached" if self.detached else "kept"
        return self.host

    @property
    def engine(self) -> str:
        """The backend's name."""
        return self.backend.info.backend

    @property
    def age_seconds(self) -> float:
        """How long ago it was created."""
        return max(0.0, time.time() - self.created)

    @property
    def short_id(self) -> str:
        """The short id for users."""
        return short_id(self.id)


def find(backends: Iterable[Backend]) -> list[Run]:
    """Return this user's runs on all engines, newest first, and those that seem to belong to another machine.

    Raises:
        BackendError: an engine cannot list its containers.
    """
    found = [
        _run(backend, state)
        for backend in backends
        for state in backend.containers({labels.UID: str(os.getuid())})
        if (ownership.is_ours(state) and ownership.is_run(state))
        or ownership.is_of_another_machine(state)
    ]
    return sorted(found, key=lambda run: run.created, reverse=True)


def choose(runs: Sequence[Run], words: Iterable[str]) -> list[Run]:
    """Return the named runs.

    Args:
        runs: all runs; those of another machine cannot be chosen.
        words: prefixes of ids of runs or containers, or names of scripts.

    Raises:
        BuildrError: a word names no run, several, or one of another machine.
    """
    return list({run.id: run for word in words for run in (_named(runs, word),)}.values())


def _named(runs: Sequence[Run], word: str) -> Run:
    found = {
        run.id: run
        for run in runs
        if word
        and (run.name == word or run.id.startswith(word) or run.container.id.startswith(word))
    }
    if not found:
        raise BuildrError(f"there is no run {word!r}", hint="`buildr ps` lists those there are.")
    if len(found) > 1:
        ids = ", ".join(run.short_id for run in found.values())
        raise BuildrError(f"{word!r} names several runs: {ids}", hint="Name one by its id.")
    run = next(iter(found.values()))
    if not run.is_ours:
        engine, container = run.backend.info.command, short_id(run.container.id)
        by_engine = (
            f"use the engine's own command: {engine} logs {container}, {engine} stop {container}."
        )
        raise BuildrError(
            f"the run {run.short_id} was started on another machine, or before this one's key was lost:"
            " nothing shows that it is yours",
            hint=f"If it is, {by_engine}" if engine else "",
        )
    return run


def _run(backend: Backend, state: ContainerState) -> Run:
    own = state.labels
    ours = ownership.is_ours(state)
    detached = ours and is_detached(state)
    if detached and has_ended(state) and state.exit_code is None:
        state = backend.state(state.id) or state  # not every list has the exit status
    return Run(
        id=own[labels.RUN],
        backend=backend,
        container=state,
        name=own.get(labels.NAME, ""),
        project=own.get(PROJECT, ""),
        host=ownership.host(own, running=state.running) if ours else "another machine",
        kept=ours and is_kept(backend, state),
        detached=detached,
        pid=_number(own.get(labels.PID, "")),
        created=_number(own.get(labels.CREATED, "")) or 0,
        grace_seconds=_seconds(own.get(labels.GRACE, "")),
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        return _FALLBACK_GRACE_SECONDS
    return found if 0 <= found < TIMEOUT_MAX else _FALLBACK_GRACE_SECONDS
