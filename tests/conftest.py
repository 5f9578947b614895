"""Options and fixtures of all tests.

Engine tests run on every engine that ``scripts/engines up`` describes in the file that ``BUILDR_TEST_ENGINES`` names.
Without one they are skipped, each with its reason; ``--require-engine NAME`` turns that into a failure. The tests of ``tests/conformance`` run on
the engine of ``--backend`` alone.
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
        help="fail, rather than skip, the tests of this engine when it is not there",
    )
    judged = parser.getgroup("conformance", "conformance of a backend: tests/conformance")
    judged.addoption("--backend", metavar="NAME", help="the backend that is judged")
    judged.addoption(
        "--base-image",
        metavar="REFERENCE",
        help="an image with Python and a shell that its engine stores (BUILDR_BASE_IMAGE)",
    )
    judged.addoption(
        "--registry", metavar="HOST:PORT", help="an open registry, by HTTP, for what is pushed"
    )


def stored_state() -> dict[str, object]:
    """Return what ``scripts/engines`` has written of what is up; nothing where its file is not named."""
    path = os.environ.get(VARIABLE)
    if not path:
        return {}
    state: dict[str, object] = json.loads(Path(path).read_text())
    return state


def _missing(config: pytest.Config, name: str) -> None:
    reason = f"{name} is not up: run scripts/engines up, and name its file in {VARIABLE}"
    if name in config.getoption("--require-engine"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    return _engine(request, request.param)


# One parameter, so that the test's id names the engine.


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
    """Two registries on loopback: an open one, and one with a password."""
    found = stored_state().get("registries")
    if not isinstance(found, dict) or not found:
        _missing(request.config, "registry")
        raise AssertionError("_missing() ends the test")
    return Registries(found)
