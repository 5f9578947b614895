"""An engine that somebody else adds by an entry point, without touching Buildr."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.distributions import install, search_path
from tests.unit.processes import python

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

SCRIPT = """\
from buildr import Containerize

@Containerize{options}
def main():
    print("this line never runs on the host")

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install("third_party_backend", tmp_path_factory.mktemp("site-packages"))


def run(
    directory: Path, installed: Path, backend: str | None, options: str = ""
) -> subprocess.CompletedProcess[bytes]:
    (directory / "app.py").write_text(SCRIPT.format(options=options))
    env = {"PYTHONPATH": search_path(installed), "BUILDR_IN_CONTAINER": "0"}
    if backend is not None:
        env["BUILDR_BACKEND"] = backend
    return python("app.py", "a b", cwd=directory, env=env)


def test_a_variable_chooses_it(tmp_path: Path, installed: Path) -> None:
    done = run(tmp_path, installed, "thirdparty")
    assert done.stdout == b"python -u /app/app.py a b\n"
    assert done.returncode == 7


def test_the_decorator_chooses_it(tmp_path: Path, installed: Path) -> None:
    done = run(tmp_path, installed, None, '(runtime={"executor": "ThirdParty"})')
    assert done.returncode == 7


def test_an_unknown_name_is_refused_with_all_that_there_are(
    tmp_path: Path, installed: Path
) -> None:
    done = run(tmp_path, installed, "thrdparty")
    assert done.returncode == 125
    assert done.stderr.decode().endswith(
        "buildr: error: there is no backend 'thrdparty' (from BUILDR_BACKEND)\n"
        "Choose one of: auto, podman, docker, broken, missing, raising, thirdparty.\n"
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "ModuleNotFoundError: No module named 'thirdparty_backend_missing'"),
        ("raising", "RuntimeError: libengine.so was not found"),
        ("broken", "is no function that connects"),
    ],
)
def test_a_broken_one_is_told_as_the_fault_of_its_distribution(
    tmp_path: Path, installed: Path, name: str, reason: str
) -> None:
    done = run(tmp_path, installed, name)
    stderr = done.stderr.decode()
    assert done.returncode == 125
    assert f"error: the backend '{name}' (thirdparty_" in stderr
    assert reason in stderr
    assert "Traceback" not in stderr
