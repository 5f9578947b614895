"""An engine that another distribution adds by an entry point, without touching Buildr."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from buildr.cli import app
from buildr.testing import run_script
from tests.unit.command import command_project
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
    """The distribution as an installer leaves it, made without one: no network, no build backend.

    https://packaging.python.org/en/latest/specifications/recording-installed-packages/
    """
    site = tmp_path_factory.mktemp("site-packages")
    pyproject = tomllib.loads((SOURCE / "pyproject.toml").read_text())
    for name in pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["include"]:
        shutil.copy(SOURCE / name, site)
    project = pyproject["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items())
        for group, points in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups))
    return site


def run(
    directory: Path, installed: Path, backend: str | None, options: str = ""
) -> subprocess.CompletedProcess[bytes]:
    (directory / "app.py").write_text(SCRIPT.format(options=options))
    search = os.pathsep.join(filter(None, (str(installed), os.environ.get("PYTHONPATH"))))
    env = {"PYTHONPATH": search, "BUILDR_IN_CONTAINER": "0", **NOWHERE}
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
def test_a_broken_one_is_reported_as_the_fault_of_its_distribution(
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


def test_auto_takes_it_where_no_built_in_engine_is_usable(tmp_path: Path, installed: Path) -> None:
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
def test_shells_complete_its_name(option: str) -> None:
    words = {"COMP_WORDS": f"buildr run {option} third", "COMP_CWORD": "3"}
    result = CliRunner().invoke(
        app, (), prog_name="buildr", env={"_BUILDR_COMPLETE": "bash_complete", **words}
    )
    assert result.output == "plain,thirdparty\n"


def test_the_doctor_finds_it(command: Callable[..., Result]) -> None:
    found = json.loads(command("doctor", "--json").stdout)
    checks = {check["name"]: check for check in found["checks"]}
    assert found["engine"] == "thirdparty"
    assert checks["engine"]["text"].startswith("thirdparty 1.0, rootless; chosen since podman and")
    assert checks["storage"]["text"] == "memory"
    assert checks["raising"]["status"] == "warn"
    assert "RuntimeError: libengine.so was not found" in checks["raising"]["text"]


def test_what_is_left_on_it_is_listed_and_pruned(command: Callable[..., Result]) -> None:
    done = run_script("../command/tool.py", "run", "--keep", "app.py")
    assert done.status == 7
    assert "app" in command("ps").stdout
    assert "thirdparty diff " in done.stderr.decode()
    result = command("prune")
    assert result.stdout.startswith("removed container ")
    assert result.stdout.endswith(" on thirdparty\n")
    assert result.exit_code == 0
