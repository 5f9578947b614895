"""Running the tests on several processes, with pytest-xdist: what must stay together, and what must not meet.

All tests of one engine go to one process, one after another, since they share its containers and a project. A test
that uses several engines goes to the process of one of them; meanwhile the others' processes wait. The other tests
are spread by module.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENGINE = re.compile(r"tests/engine/.*\[.*?\b(podman-rootless|podman-root|docker)\b")
_FIXTURES = {
    "rootless_podman": "podman-rootless",
    "root_podman": "podman-root",
    "docker": "docker",
}
_LOCKS = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "uses(name): one process at a time runs tests that use the thing of this name"
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    if _LOCKS in config.stash:
        config.stash[_LOCKS].cleanup()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Spread the tests by engine, which their ids name; by module what has none: for ``--dist loadscope``.

    Not by the marks of ``--dist loadgroup``: https://github.com/pytest-dev/pytest-xdist/issues/1386
    """
    if config.getoption("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped] # says nothing of its types

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # likewise
        def _split_scope(self, nodeid: str) -> str:
            engine = _ENGINE.match(nodeid)
            return engine[1] if engine else nodeid.partition("::")[0]

    return Scheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of pytest-xdist where the locks are; called in the first process."""
    stash = node.config.stash
    if _LOCKS not in stash:
        stash[_LOCKS] = tempfile.TemporaryDirectory(prefix="buildr-test-locks-")
    node.workerinput["locks"] = stash[_LOCKS].name


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        # First what makes other processes wait, before they are at something long.
        items.sort(key=lambda item: len(_engines(item)) < 2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Hold what a test uses from its set-up to its tear-down, those of its module among them."""
    locks = getattr(item.config, "workerinput", {}).get("locks")
    with contextlib.ExitStack() as held:
        if locks is not None:
            named = {name for marker in item.iter_markers("uses") for name in marker.args}
            names = sorted(named | _engines(item))
            # Who waits has the turn: a process with one test after another would never let it in.
            with _locked(os.path.join(locks, "turn")) if names else contextlib.nullcontext():
                for name in names:
                    held.enter_context(_locked(os.path.join(locks, name)))
        return (yield)


def _engines(item: pytest.Item) -> set[str]:
    if not item.nodeid.startswith("tests/engine/"):
        return set()
    used = {_FIXTURES[name] for name in getattr(item, "fixturenames", ()) if name in _FIXTURES}
    callspec = getattr(item, "callspec", None)
    if callspec is not None and "engine" in callspec.params:
        used.add(callspec.params["engine"])
    return used


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
