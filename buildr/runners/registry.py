"""Looks up runners by name: for scripts, for calls, and for rendering."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, cast

from buildr.errors import OptionError
from buildr.runners.choice import BUILT_IN, ENTRY_POINTS, names

if TYPE_CHECKING:
    from buildr.runners.protocol import CallRunner, Renderer, Runner

__all__ = ["call_runner", "renderer", "runner"]

_ABILITIES = {
    "run": "runs no scripts",
    "open_workers": "runs no single functions (.remote, .map)",
    "render": "writes nothing down",
}


def runner(name: str) -> Runner:
    """Return the named runner, for a whole script.

    Raises:
        OptionError: it does not exist, cannot be imported, or it runs no scripts.
    """
    return cast("Runner", _load(name, "run"))


def call_runner(name: str) -> CallRunner:
    """Return the named runner, for calls of single functions.

    Raises:
        OptionError: it does not exist, cannot be imported, or it runs no single functions.
    """
    return cast("CallRunner", _load(name, "open_workers"))


def renderer(name: str) -> Renderer:
    """Return the named runner, for rendering a plan.

    Raises:
        OptionError: it does not exist, cannot be imported, or it writes nothing down.
    """
    return cast("Renderer", _load(name, "render"))


def _load(name: str, ability: str) -> Any:
    if name in BUILT_IN:
        found: Any = importlib.import_module(BUILT_IN[name])
    else:
        from buildr.host.plugins import load_plugin

        plugin = load_plugin(ENTRY_POINTS, name, "runner")
        if plugin is None:
            raise OptionError(
                f"there is no runner {name!r}", hint=f"Choose one of: {', '.join(names())}."
            )
        found, _ = plugin
    if not callable(getattr(found, ability, None)):
        raise OptionError(
            f"the runner {name!r} {_ABILITIES[ability]}",
            hint='Choose another one as runtime.executor, such as "auto", or leave it out.',
        )
    return found
