"""An engine that another distribution adds by an entry point, without touching Buildr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from buildr.cli import app
from buildr.testing import run_script
from tests.unit.command import command_project
from tests.unit.distributions import install, search_path
from tests.unit.processes import python

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from click.testing import Result

SOURCE = Path(__file__).parents[2] / "third_party_backend"
NOWHERE = {"CONTAINER_HOST": "unix:///nowhere/podman", "DOCKER_HOST": "unix:///nowhere/docker"}
"""Neither built-in engine is usable."""
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
    env = {"PYTHONPATH": search_path(installed), "BUILDR_IN_CONTAINER": "0", **NOWHERE}
    if backend is not None:
        env["BUILDR_BACKEND"] = backend
    return python("app.py", "a b", cwd=directory, env=env)


def test_a_variable_chooses_the_backend(tmp_path: Path, installed: Path) -> None:
    done = run(tmp_path, installed, "thirdparty")
    assert done.stdout == b"python -u /app/app.py a b\n"
    assert done.returncode == 7


def test_the_decorator_chooses_the_backend(tmp_path: Path, installed: Path) -> None:
    done = run(tmp_path, installed, None, '(runtime={"executor": "ThirdParty"})')
    assert done.returncode == 7


def test_an_unknown_name_is_refused_with_all_known_ones(tmp_path: Path, installed: Path) -> None:
    done = run(tmp_path, installed, "thrdparty")
    assert done.returncode == 125
    assert done.stderr.decode().endswith(
        "buildr: error: there is no backend 'thrdparty' (from BUILDR_BACKEND)\n"
        "Choose one of: auto, podman, docker, broken, failing, missing, raising, thirdparty.\n"
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "ModuleNotFoundError: No module named 'thirdparty_backend_missing'"),
        ("raising", "RuntimeError: libengine.so was not found"),
        ("broken", "is not a function"),
    ],
)
def test_a_broken_backend_is_reported_with_its_distribution(
    tmp_path: Path, installed: Path, name: str, reason: str
) -> None:
    done = run(tmp_path, installed, name)
    stderr = done.stderr.decode()
    assert done.returncode == 125
    assert f"error: the backend '{name}' (thirdparty_" in stderr
    assert reason in stderr
    assert "Traceback" not in stderr


# Where it takes part as the built-in ones do --------------------------------------------------------


@pytest.fixture
def command(
    tmp_path: Path, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Return what runs `buildr` in this process, where no built-in engine is usable."""
    monkeypatch.syspath_prepend(installed)
    for name, value in {**NOWHERE, "BUILDR_IN_CONTAINER": "0"}.items():
        monkeypatch.setenv(name, value)
    command_project(tmp_path, monkeypatch, SCRIPT.format(options=""))
    return lambda *words: CliRunner().invoke(app, words, prog_name="buildr")


def test_auto_chooses_the_backend_if_no_built_in_engine_is_usable(
    tmp_path: Path, installed: Path
) -> None:
    done = run(tmp_path, installed, None)
    said = done.stderr.decode()
    assert done.returncode == 7
    assert done.stdout == b"python -u /app/app.py a b\n"
    assert "using thirdparty, since podman is not usable here: " in said
    assert "using thirdparty, since docker is not usable here: " in said
    assert (
        "since failing is not usable here: the backend 'failing' failed: ZeroDivisionError" in said
    )


@pytest.mark.parametrize("option", ["--backend", "--builder"])
@pytest.mark.usefixtures("command")
def test_shells_complete_the_name_of_the_backend(option: str) -> None:
    words = {"COMP_WORDS": f"buildr run {option} third", "COMP_CWORD": "3"}
    result = CliRunner().invoke(
        app, (), prog_name="buildr", env={"_BUILDR_COMPLETE": "bash_complete", **words}
    )
    assert result.output == "plain,thirdparty\n"


def test_doctor_finds_the_backend(command: Callable[..., Result]) -> None:
    found = json.loads(command("doctor", "--json").stdout)
    checks = {check["name"]: check for check in found["checks"]}
    assert found["engine"] == "thirdparty"
    assert checks["engine"]["text"].startswith("thirdparty 1.0, rootless; chosen since podman and")
    assert checks["storage"]["text"] == "memory"
    assert checks["raising"]["status"] == "warn"
    assert "RuntimeError: libengine.so was not found" in checks["raising"]["text"]


def test_leftovers_of_the_backend_are_listed_and_pruned(command: Callable[..., Result]) -> None:
    done = run_script("../command/tool.py", "run", "--keep", "app.py")
    assert done.status == 7
    assert "app" in command("ps").stdout
    assert "thirdparty diff " in done.stderr.decode()
    result = command("prune")
    assert result.stdout.startswith("removed container ")
    assert result.stdout.endswith(" on thirdparty\n")
    assert result.exit_code == 0
