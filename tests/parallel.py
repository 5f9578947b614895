"""Running the tests in several processes with pytest-xdist: scheduling and locks.

All tests of one engine run in one process, since they share its containers and a project. A test that uses several
engines runs in the process of one of them, while the processes of the others wait. The other tests are distributed by
module.
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
        "markers", "uses(name): only one process at a time runs tests that use the named resource"
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    if _LOCKS in config.stash:
        config.stash[_LOCKS].cleanup()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``--dist loadscope``, distribute tests by the engine in their ids, and others by module.

    Not with ``--dist loadgroup``: https://github.com/pytest-dev/pytest-xdist/issues/1386
    """
    if config.getoption("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped] # has no type hints

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # has no type hints
        def _split_scope(self, nodeid: str) -> str:
            engine = _ENGINE.match(nodeid)
            return engine[1] if engine else nodeid.partition("::")[0]

    return Scheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the directory of locks to a worker; called in the controller."""
    stash = node.config.stash
    if _LOCKS not in stash:
        stash[_LOCKS] = tempfile.TemporaryDirectory(prefix="buildr-test-locks-")
    node.workerinput["locks"] = stash[_LOCKS].name


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        # Tests that make other processes wait come first, before those are busy with long tests.
        items.sort(key=lambda item: len(_engines(item)) < 2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Hold the locks of a test from its set-up to its tear-down, including module fixtures."""
    locks = getattr(item.config, "workerinput", {}).get("locks")
    with contextlib.ExitStack() as held:
        if locks is not None:
            named = {name for marker in item.iter_markers("uses") for name in marker.args}
            names = sorted(named | _engines(item))
            # A waiting process has precedence; otherwise a process with many tests would starve it.
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
