"""Options and fixtures of all tests.

Engine tests run on every engine that ``scripts/engines up`` describes in the file that ``BUILDR_TEST_ENGINES`` names.
Without it they are skipped with the reason; ``--require-engine NAME`` turns that into a failure. The tests of
``tests/conformance`` run on the engine of ``--backend`` only.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.engine.harness import Engine, Registries

pytest_plugins = ["tests.parallel"]

ENGINES = ("podman-rootless", "podman-root", "docker")
VARIABLE = "BUILDR_TEST_ENGINES"


# No deadlines: the machine may be busy. `make fuzz` runs the second.
settings.register_profile("buildr", deadline=None)
settings.register_profile(
    "fuzz", deadline=None, max_examples=int(os.environ.get("FUZZ_EXAMPLES", "5000"))
)
settings.load_profile("buildr")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-engine",
        action="append",
        default=[],
        choices=(*ENGINES, "registry"),
        help="fail the tests of this engine, instead of skipping them, if it is not up",
    )
    judged = parser.getgroup("conformance", "conformance tests of a backend: tests/conformance")
    judged.addoption("--backend", metavar="NAME", help="the backend under test")
    judged.addoption(
        "--base-image",
        metavar="REFERENCE",
        help="a stored image with Python and a shell (BUILDR_BASE_IMAGE)",
    )
    judged.addoption(
        "--registry", metavar="HOST:PORT", help="an open HTTP registry for the tests that push"
    )


def stored_state() -> dict[str, object]:
    """Return the description of the running engines by ``scripts/engines``; empty if no file is named."""
    path = os.environ.get(VARIABLE)
    if not path:
        return {}
    state: dict[str, object] = json.loads(Path(path).read_text())
    return state


def _missing(config: pytest.Config, name: str) -> None:
    reason = f"{name} is not up: run scripts/engines up, and set {VARIABLE} to the path of its file"
    if name in config.getoption("--require-engine"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """An engine; the test runs on each one."""
    return _engine(request, request.param)


# A single parameter, so that the test's id names the engine.


@pytest.fixture(scope="session", params=["podman-rootless"])
def rootless_podman(request: pytest.FixtureRequest) -> Engine:
    return _engine(request, request.param)


@pytest.fixture(scope="session", params=["podman-root"])
def root_podman(request: pytest.FixtureRequest) -> Engine:
    return _engine(request, request.param)


@pytest.fixture(scope="session", params=["docker"])
def docker(request: pytest.FixtureRequest) -> Engine:
    return _engine(request, request.param)


def _engine(request: pytest.FixtureRequest, name: str) -> Engine:
    state = stored_state()
    engines = state.get("engines")
    if not isinstance(engines, dict) or name not in engines:
        _missing(request.config, name)
        raise AssertionError("_missing() ends the test")
    return Engine(name, engines[name], str(state["base_image"]))


@pytest.fixture(scope="session")
def registries(request: pytest.FixtureRequest) -> Registries:
    """Two registries on loopback, one open and one with a password."""
    found = stored_state().get("registries")
    if not isinstance(found, dict) or not found:
        _missing(request.config, "registry")
        raise AssertionError("_missing() ends the test")
    return Registries(found)
