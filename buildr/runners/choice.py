"""Chooses the runner of a plan, and the engine that builds its image.

``executor`` names either an engine, for the runner ``engine``, or another runner. ``--backend`` and ``BUILDR_BACKEND``
name engines: they replace an executor that is an engine; if the executor is a runner, they choose the engine that
builds.

Buildr's own runners are in a table. Entry points of the group `ENTRY_POINTS` are read only for other names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.engines import registry as engines
from buildr.errors import OptionError

if TYPE_CHECKING:
    from buildr.config import Settings
    from buildr.engines.registry import Choice

__all__ = ["BUILT_IN", "ENGINE", "ENTRY_POINTS", "Choices", "check", "choose", "names"]

ENTRY_POINTS = "buildr.runners"
ENGINE = "engine"
"""The runner that uses a local engine."""

BUILT_IN = {
    ENGINE: "buildr.runners.engine",
    "quadlet": "buildr.runners.quadlet",
}
"""The modules of Buildr's own runners."""

_NO_EXECUTORS = {
    ENGINE,
    "quadlet",
}  # the first is chosen by an engine's name, the second only writes files


class Choices(Struct, frozen=True, kw_only=True):
    """The chosen runner, and the engine that builds."""

    runner: str
    """The runner's name."""
    executor: Choice
    """The engine that it uses; for runners other than `ENGINE` the runner itself."""
    builder: Choice
    """The engine that builds the image."""


def choose(
    settings: Settings, *, backend: str | None = None, builder: str | None = None
) -> Choices:
    """Choose the runner of a program, and the engine that builds its image.

    Args:
        settings: the effective options, with ``executor`` and ``builder``.
        backend: the flag ``--backend``.
        builder: the flag ``--builder``.
    """
    package, runtime, origins = settings.package, settings.runtime, settings.origins
    named = (runtime.executor or "").strip().lower()
    origin = origins.get("runtime.executor", engines.DECORATOR)
    may_be_runner = named not in ("", ENGINE) and not engines.is_built_in(named)
    if may_be_runner and named in map(str.lower, names()):
        return Choices(
            runner=named,
            executor=engines.Choice(name=named, origin=origin),
            builder=engines.choose(
                flag=backend,
                builder=builder,
                option=package.builder,
                option_origin=origins.get("package.builder", engines.DECORATOR),
            ),
        )
    executor, builds = engines.choose_both(package, runtime, origins, flag=backend, builder=builder)
    return Choices(runner=ENGINE, executor=executor, builder=builds)


def check(executor: Choice) -> None:
    """Check that the name of an executor is that of an engine or runner.

    Raises:
        OptionError: there is none.
    """
    name = executor.name
    if engines.is_built_in(name) or engines.substitute is not None:
        return
    if executor.origin in ("--backend", engines.VARIABLE):
        return  # they only name engines
    if name not in map(str.lower, engines.names()):
        known = [name for name in names() if name not in _NO_EXECUTORS]
        raise OptionError(
            f"there is no engine or runner {name!r} (from {executor.origin})",
            hint=f"Choose one of: {', '.join((engines.AUTO, *engines.names(), *known))}.",
        )


def names() -> tuple[str, ...]:
    """Return the names of all installed runners, the built-in ones first."""
    from buildr.host.plugins import plugin_names

    return (*BUILT_IN, *sorted(plugin_names(ENTRY_POINTS) - set(BUILT_IN)))
