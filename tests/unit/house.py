"""Housekeeping as its own process does it, for tests that want to see what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildr.leftovers.sweeping import keep_house, take

if TYPE_CHECKING:
    from buildr.engines.protocol import Backend


def keep_house_of(backend: Backend) -> None:
    """Do what there is to do on an engine."""
    name = backend.info.backend
    with take(name) as (_, names):
        keep_house(name, lambda: backend, names)
