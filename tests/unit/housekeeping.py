"""Housekeeping as its own process does it, for tests of its results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.leftovers.housekeeping import run_tasks, take

if TYPE_CHECKING:
    from buildr.engines.protocol import Backend


def clean_up(backend: Backend) -> None:
    """Do what there is to do on an engine."""
    name = backend.info.backend
    with take(name) as (_, names):
        run_tasks(name, lambda: backend, names)
