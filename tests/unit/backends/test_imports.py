"""The cost of importing a backend: modules that a run must not load before it needs them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "docker",
    "http.client",
    "importlib.metadata",
    "jinja2",
    "packaging",
    "podman",
    "requests",
    "rich",
    "shutil",
    "ssl",
    "subprocess",
    "tarfile",
    "tempfile",
    "tomllib",
    "urllib.parse",
    "urllib3",
}


@pytest.mark.parametrize(
    "module", ["buildr_backends.podman.engine", "buildr_backends.docker.engine"]
)
def test_importing_a_backend_loads_nothing_heavy(module: str) -> None:
    code = f"import json, sys; before = set(sys.modules); import {module}; print(json.dumps(sorted(set(sys.modules) - before)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert module in loaded
    assert loaded & HEAVY == set()
