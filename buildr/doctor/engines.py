"""The checks of engines: the one that would run a script, and the state of the others."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

from msgspec import Struct

from buildr.doctor.distribution import install
from buildr.doctor.model import Check
from buildr.engines import registry
from buildr.engines.records import EngineDetails, Target
from buildr.errors import BackendError, EngineNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buildr.doctor.model import Host, Status
    from buildr.engines.protocol import Backend
    from buildr.engines.records import EngineInfo

RECOMMENDED = next(iter(registry.BUILT_IN))
"""The engine to install if there is none; its package and its program have the same name."""


class Engine(Struct, frozen=True, kw_only=True):
    """The engine that would run a script."""

    backend: Backend
    details: EngineDetails
    failure: str
    """Why its details are unknown; empty otherwise."""


class Probe(Struct, frozen=True, kw_only=True):
    """Which engines can be reached.

    Attributes:
        choice: the chosen name, and where it was chosen.
        reached: the engines that answer, by name, in the order in which ``auto`` tries them.
        failures: the others, in that order.
    """

    choice: registry.Choice
    reached: dict[str, Backend]
    failures: dict[str, BackendError]

    @property
    def name(self) -> str | None:
        """The name of the engine that would run a script, as `buildr.engines.registry.connect` decides."""
        if self.choice.name == registry.AUTO:
            return next(iter(self.reached), None)
        return self.choice.name if self.choice.name in self.reached else None

    @property
    def chosen(self) -> Backend | None:
        """The engine of that name."""
        return self.reached[self.name] if self.name is not None else None


@contextlib.contextmanager
def probe(choice: registry.Choice) -> Iterator[Probe]:
    """Connect to the chosen engine and all others; close them afterwards.

    Raises:
        OptionError: there is no backend of the chosen name.
    """
    reached: dict[str, Backend] = {}
    failures: dict[str, BackendError] = {}
    if choice.name != registry.AUTO:
        registry.load(choice)
    try:
        for name in dict.fromkeys((*registry.names(), *_named(choice))):
            try:
                reached[name] = registry.attempt(name, Target())
            except BackendError as error:
                failures[name] = error
        yield Probe(choice=choice, reached=reached, failures=failures)
    finally:
        for backend in reached.values():
            backend.close()


def _named(choice: registry.Choice) -> tuple[str, ...]:
    return () if choice.name == registry.AUTO else (choice.name,)


def ask(backend: Backend) -> Engine:
    """Request the details of the chosen engine."""
    try:
        return Engine(backend=backend, details=backend.details(), failure="")
    except BackendError as error:
        return Engine(backend=backend, details=EngineDetails(), failure=error.what)


def checks(host: Host, found: Probe) -> Iterator[Check]:
    """Yield one check for the chosen engine, one for its address, and one for each other."""
    chosen = found.chosen
    if chosen is not None:
        info = chosen.info
        text = f"{info.backend} {_describe(info)}; {_why(found)}"
        yield Check(name="engine", status="ok", text=text)
        yield Check(name="socket", status="ok", text=f"{info.endpoint}: {info.found}")
    elif found.choice.name == registry.AUTO:
        yield Check(name="engine", status="fail", text="no engine can be used")
    else:
        text = f"{found.choice.name} cannot be used, and {found.choice.origin} names it"
        yield Check(name="engine", status="fail", text=text)
    for name, backend in found.reached.items():
        if backend is not chosen:
            text = f"{_describe(backend.info)}, not used; {backend.info.endpoint}"
            yield Check(name=name, status="ok", text=text)
    for name, error in found.failures.items():
        yield _unreached(host, name, error, found)


def _describe(info: EngineInfo) -> str:
    kind = "rootless" if info.rootless else "rootful"
    return f"{info.version}, {'remote' if info.remote else kind}"


def _why(found: Probe) -> str:
    if found.choice.name != registry.AUTO:
        return f"chosen by {found.choice.origin}"
    if found.name == RECOMMENDED:
        return f"chosen since {RECOMMENDED.capitalize()} comes first"
    return f"chosen since {' and '.join(_tried(found))} cannot be used"


def _tried(found: Probe) -> list[str]:
    """Return the engines that would be tried and are not usable."""
    if found.choice.name != registry.AUTO:
        return [name for name in found.failures if name == found.choice.name]
    before = itertools.takewhile(lambda name: name != found.name, registry.names())
    return [name for name in before if name in found.failures]


def _unreached(host: Host, name: str, error: BackendError, found: Probe) -> Check:
    """Say why an engine is unreachable, and how to fix that if it would be used."""
    if name not in _tried(found):
        return Check(name=name, status="ok", text=f"not usable, and not asked for: {error.what}")
    absent = isinstance(error, EngineNotFoundError) and host.program(name) is None
    fix = install(host, (name,)) if absent and name == RECOMMENDED else ()
    status: Status = "fail" if found.chosen is None else "warn"
    return Check(name=name, status=status, text=error.what, fix=fix, advice=error.hint)


def base_image(engine: Engine, named: str) -> Check:
    """Check whether the base image is stored.

    Raises:
        OptionError: ``named`` is not a reference to an image.
    """
    from buildr.options import parse_reference

    name = "base image"
    reference = named if named.startswith("sha256:") else str(parse_reference(named).normalised())
    try:
        stored = engine.backend.image(reference)
    except BackendError as error:
        return Check(name=name, status="warn", text=f"{reference}: {error.what}")
    if stored is not None:
        return Check(name=name, status="ok", text=f"{reference} is stored")
    text = f"{reference} is not stored yet; the first build pulls it"
    return Check(name=name, status="ok", text=text)
