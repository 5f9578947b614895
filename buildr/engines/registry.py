"""The registry of backends: their names, the choice between them, and the fallback.

Built-in backends are in a table, since reading entry points takes 40 ms. Entry points are read for other names, for
lists of names, and by ``auto`` if no built-in engine is usable.
"""

from __future__ import annotations

import importlib
import os
import time
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from buildr.engines.records import Target
from buildr.errors import (
    BackendError,
    BuildrError,
    EngineNotFoundError,
    EngineTooOldError,
    EngineUnavailableError,
    OptionError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from buildr.engines.protocol import Backend, Connect
    from buildr.options import Package, Runtime

ENTRY_POINTS = "buildr.backends"
VARIABLE = "BUILDR_BACKEND"
AUTO = "auto"
DECORATOR = "the decorator"

BUILT_IN = {
    "podman": "buildr_backends.podman.engine:connect",
    "docker": "buildr_backends.docker.engine:connect",
}
"""The backends of Buildr, in the order in which ``auto`` tries them; those of other distributions follow."""
_AUTO_SECONDS = 9.0  # for all built-in engines together, if they do not answer
_LAST_SECONDS = 2.0  # for each remaining engine: a live one answers faster
_REPORT = "Report it to the authors of the distribution that it comes from."
_ABSENT_OR_BROKEN = (EngineNotFoundError, EngineUnavailableError, EngineTooOldError)

substitute: Callable[[str], Connect] | None = None
"""If set, returns the backend for each name: the seam for `buildr.testing`."""


class Choice(Struct, frozen=True, kw_only=True):
    """The name of a backend, and where it was chosen."""

    name: str
    origin: str


def choose(
    *,
    flag: str | None = None,
    option: str | None = None,
    builder: str | None = None,
    option_origin: str = DECORATOR,
) -> Choice:
    """Decide on a backend's name: the command's flag, ``BUILDR_BACKEND``, the options, ``auto``.

    Args:
        flag: the value of the command-line flag.
        option: ``executor`` or ``builder``, from the decorator or ``[tool.buildr]``.
        builder: the value of the flag for the engine that builds, which has precedence.
        option_origin: the place where the option is set.
    """
    for name, origin in (
        (builder, "--builder"),
        (flag, "--backend"),
        (os.environ.get(VARIABLE), VARIABLE),
        (option, option_origin),
    ):
        if name:
            return Choice(name=name.strip().lower(), origin=origin)
    return Choice(name=AUTO, origin="default")


def choose_both(
    package: Package,
    runtime: Runtime,
    origins: Mapping[str, str],
    *,
    flag: str | None = None,
    builder: str | None = None,
) -> tuple[Choice, Choice]:
    """Decide which backend runs and which one builds; if the options name only one, it does both.

    Args:
        package: with ``builder``.
        runtime: with ``executor``.
        origins: the places of options such as ``package.builder``; by default the decorator.
        flag: see `choose`.
        builder: see `choose`.
    """
    runs, builds = ("runtime.executor", runtime.executor), ("package.builder", package.builder)

    def chosen(first: tuple[str, str | None], second: tuple[str, str | None]) -> dict[str, str]:
        name, value = first if first[1] else second
        origin = origins.get(name, DECORATOR)
        return {"option": value, "option_origin": origin} if value else {}

    return (
        choose(flag=flag, **chosen(runs, builds)),
        choose(flag=flag, builder=builder, **chosen(builds, runs)),
    )


def connect(choice: Choice, say: Callable[[str], None]) -> Backend:
    """Reach the chosen engine.

    Args:
        choice: a backend's name, or ``auto``: the first of `names` that is usable.
        say: called with one line if ``auto`` falls back.

    Raises:
        OptionError: there is no backend of that name.
        EngineNotFoundError: there is no engine, or not the named one. This takes at most ten seconds, plus two for each
            third-party backend.
        EngineUnavailableError: the named engine does not answer.
        EngineTooOldError: the named engine is too old.
    """
    if choice.name != AUTO:
        return load(choice)(Target())
    failures: list[tuple[str, BackendError]] = []
    for name, target in _attempts():
        try:
            backend = attempt(name, target)
        except _ABSENT_OR_BROKEN as error:
            failures.append((name, error))
            continue
        for failed, why in failures:
            say(f"using {name}, since {failed} is not usable here: {why.what}")
        return backend
    raise _none(failures)


def _attempts() -> Iterator[tuple[str, Target]]:
    """Yield the names that ``auto`` tries, with their deadlines. Entry points are read only if no built-in engine is usable."""
    deadline = time.monotonic() + _AUTO_SECONDS
    for index, name in enumerate(BUILT_IN, start=1):
        kept = (len(BUILT_IN) - index) * _LAST_SECONDS
        yield name, Target(deadline=deadline - kept)
    for name in names()[len(BUILT_IN) :]:
        yield name, Target(deadline=max(deadline, time.monotonic() + _LAST_SECONDS))


def attempt(name: str, target: Target) -> Backend:
    """Connect to an engine that was not explicitly named; a broken backend counts as an unusable engine.

    Raises:
        BackendError: it is absent or does not answer, or its backend fails.
    """
    try:
        return load(Choice(name=name, origin=AUTO))(target)
    except OptionError as error:
        raise EngineUnavailableError(error.what, hint=error.hint) from error
    except BuildrError:
        raise
    except Exception as error:
        if name in BUILT_IN:
            raise
        raise EngineUnavailableError(
            f"the backend {name!r} failed: {type(error).__name__}: {error}", hint=_REPORT
        ) from error


def reach(choice: Choice, say: Callable[[str], None]) -> list[Backend]:
    """Connect to the chosen engine, or with ``auto`` to every one that answers.

    Args:
        choice: a backend's name, or ``auto``.
        say: called with one line about each engine that exists but does not answer.

    Raises:
        OptionError: there is no backend of that name.
        EngineNotFoundError: there is no engine, or not the named one.
        EngineUnavailableError: the named engine does not answer.
        EngineTooOldError: the named engine is too old.
    """
    if choice.name != AUTO:
        return [load(choice)(Target())]
    reached: list[Backend] = []
    failures: list[tuple[str, BackendError]] = []
    for name in names():
        try:
            backend = attempt(name, Target())
        except _ABSENT_OR_BROKEN as error:
            failures.append((name, error))
            continue
        if any(other.info.endpoint == backend.info.endpoint for other in reached):
            backend.close()  # one engine with two names
        else:
            reached.append(backend)
    if not reached:
        raise _none(failures)
    for name, why in failures:
        if not isinstance(why, EngineNotFoundError):
            say(f"{name} is left out: {why.what}")
    return reached


def _none(failures: list[tuple[str, BackendError]]) -> EngineNotFoundError:
    tried = "\n".join(f"  {name}: {why.what}" for name, why in failures)
    # Each hint with its engine: one may say "Install it" and another "Start it".
    hints = "\n".join(f"{name}: {why.hint}" for name, why in failures if why.hint)
    return EngineNotFoundError(f"no container engine can be used; tried\n{tried}", hint=hints)


def load(choice: Choice) -> Connect:
    """Return the function that connects a backend.

    Raises:
        OptionError: there is no backend of that name, or it cannot be imported.
    """
    if substitute is not None:
        return substitute(choice.name)
    if choice.name in BUILT_IN:
        module, _, attribute = BUILT_IN[choice.name].partition(":")
        return cast("Connect", getattr(importlib.import_module(module), attribute))
    from buildr.host.plugins import load_plugin

    if (plugin := load_plugin(ENTRY_POINTS, choice.name, "backend")) is not None:
        found, value = plugin
        if not callable(found):
            what = f"the backend {choice.name!r} ({value}) is not a function"
            raise OptionError(what, hint=_REPORT)
        return cast("Connect", found)
    raise OptionError(
        f"there is no backend {choice.name!r} (from {choice.origin})",
        hint=f"Choose one of: {', '.join((AUTO, *names()))}.",
        on_command_line=choice.origin.startswith("-"),
    )


def names() -> tuple[str, ...]:
    """Return the names of all installed backends, built-in ones first."""
    from buildr.host.plugins import plugin_names

    return (*BUILT_IN, *sorted(plugin_names(ENTRY_POINTS) - set(BUILT_IN)))


def is_built_in(name: str) -> bool:
    """Whether a name is ``auto`` or that of a built-in backend, which needs no entry points."""
    return name == AUTO or name in BUILT_IN
