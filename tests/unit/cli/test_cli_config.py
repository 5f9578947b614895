"""`buildr config`: each option, its value, and its origin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from buildr.cli import app
from buildr.options import PackageOptions, RuntimeOptions

SCRIPT = """\
import os
import buildr
from buildr import Mount, PackageFile as File, RuntimeOptions

@buildr.Containerize(
    package={"tag": "v2", "additional_files": [File("a", "/b")], "name": os.name},
    runtime=RuntimeOptions(ports=[8080, "0:9"], env={"A": "own"}, mounts=[Mount("./x", "/x", True)], public=False),
)
def main():
    raise SystemExit("this ran")

main()
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("BUILDR_BACKEND", "BUILDR_BASE_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["config", *words])


def rows(*words: str) -> dict[str, tuple[Any, str]]:
    result = run("--json", *words)
    assert result.exit_code == 0, result.output
    return {row["option"]: (row["value"], row["from"]) for row in json.loads(result.stdout)}


def test_every_option_is_shown_with_its_default() -> None:
    found = rows()
    known = [f"package.{name}" for name in PackageOptions.__struct_fields__]
    known += [f"runtime.{name}" for name in RuntimeOptions.__struct_fields__]
    assert list(found) == ["backend", *known]
    assert {origin for _, origin in found.values()} == {"default"}
    assert found["backend"][0] == "auto"
    assert found["package.tag"][0] == "latest"


def test_only_what_is_set_is_shown_unless_all_is_asked_for(project: Path) -> None:
    (project / "app.py").write_text(SCRIPT)
    shown = run("app.py").stdout
    assert "package.tag" in shown
    assert "runtime.cpus" not in shown
    everything = run("--all", "app.py").stdout
    assert "runtime.cpus" in everything
    assert run("--no-project-config").stdout.startswith("No option is set: --all shows")


def outcome(*words: str) -> dict[str, str]:
    found = run(*words).stdout.partition("\n\n")[2].splitlines()
    return {line[:14].strip(): line[14:] for line in found}


def test_what_follows_from_the_options_of_a_script_is_shown(project: Path) -> None:
    (project / "app.py").write_text("print()\n")
    (project / ".python-version").write_text("3.12\n")
    (project / "requirements.txt").write_text("requests\n")
    assert outcome("app.py") == {
        "root": str(project),
        "image": "localhost/buildr/app:latest",
        "python": "3.12",
        "base image": "docker.io/library/python:3.12-alpine",
        "dependencies": "requirements.txt",
    }
    (project / "requirements.txt").write_text("")
    assert outcome("app.py")["dependencies"] == "nothing is installed"


def test_a_base_image_of_ones_own_has_its_own_python(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "app.py").write_text("print()\n")
    monkeypatch.setenv("BUILDR_BASE_IMAGE", "localhost/base:3.12")
    assert outcome("app.py")["python"] == "that of the base image"


def test_why_no_image_can_be_made_is_shown_beside_the_options(project: Path) -> None:
    (project / "app.py").write_text("print()\n")
    (project / "requirements.txt").write_text("-r missing.txt\n")
    result = run("app.py")
    assert result.exit_code == 0
    assert "No image can be made: " in result.stdout
    assert "missing.txt" in result.stdout


def test_each_value_has_its_origin(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "pyproject.toml").write_text(
        "[tool.buildr]\nbackend = 'docker'\n[tool.buildr.package]\ntag = 'v1'\nvariant = 'slim'\n"
    )
    monkeypatch.setenv("BUILDR_RUNTIME_CPUS", "2")
    file = str(project / "pyproject.toml")
    found = rows()
    assert found["backend"] == ("docker", file)
    assert found["package.tag"] == ("v1", file)
    assert found["runtime.cpus"] == (2, "BUILDR_RUNTIME_CPUS")
    monkeypatch.setenv("BUILDR_BACKEND", "podman")
    monkeypatch.setenv("BUILDR_BASE_IMAGE", "localhost/base")
    found = rows()
    assert found["backend"] == ("podman", "BUILDR_BACKEND")
    assert found["package.base_image"] == ("localhost/base", "BUILDR_BASE_IMAGE")
    assert found["package.variant"] == (None, "default")  # this variable has no effect


def test_the_decorator_is_read_without_running_it(project: Path, tmp_path: Path) -> None:
    (project / "app.py").write_text(SCRIPT)
    (project / "pyproject.toml").write_text("[tool.buildr.runtime]\nenv = ['B=file', 'HOST']\n")
    found = rows("--show-env", "app.py")
    by = "the decorator"
    assert found["package.tag"] == ("v2", by)
    assert found["package.additional_files"] == ([{"src": "a", "dest": "/b", "mode": None}], by)
    assert found["runtime.ports"] == (["127.0.0.1:8080:8080/tcp", "127.0.0.1:0:9/tcp"], by)
    assert found["runtime.mounts"] == (["./x:/x:ro"], by)
    assert found["runtime.public"] == (False, "default")
    assert found["runtime.env"] == (
        {"A": "own", "B": "file", "HOST": None},
        f"{by}, {tmp_path}/pyproject.toml",
    )


def test_a_module_is_read_like_a_script(project: Path) -> None:
    (project / "pkg").mkdir()
    (project / "pkg" / "__main__.py").write_text(SCRIPT)
    assert rows("-m", "pkg")["package.tag"] == ("v2", "the decorator")
    assert rows("pkg")["package.tag"] == ("v2", "the decorator")
    assert rows("-m", "json.tool")["package.tag"] == ("latest", "default")


def test_computed_values_are_reported_as_not_shown(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "app.py").write_text(SCRIPT)
    run("app.py")
    assert capfd.readouterr().err.splitlines()[0] == (
        "buildr: app.py:6: package.name is computed when the script runs, so it is not known here"
    )


def test_values_of_the_environment_are_hidden_by_default(project: Path) -> None:
    (project / "app.py").write_text(SCRIPT)
    for words in ((), ("--json",)):
        assert "own" not in run(*words, "app.py").output
        assert "own" in run(*words, "--show-env", "app.py").output


@pytest.mark.parametrize(
    "text",
    [
        "from buildr import Containerize\n@Containerize\ndef main(): ...\n",
        "from buildr import Containerize as C\n@C()\ndef main(): ...\n",
        "def Containerize(**options): ...\n@Containerize(package={'tag': 'x'})\ndef main(): ...\n",
        "print('hello')\n",
    ],
)
def test_a_decorator_may_have_no_options(project: Path, text: str) -> None:
    (project / "app.py").write_text(text)
    assert {origin for _, origin in rows("app.py").values()} == {"default"}


@pytest.mark.parametrize(
    ("decorator", "note"),
    [
        ("package=options", "package"),
        ("package={**base}", "something in package"),
        ("runtime=RuntimeOptions(**base)", "something in runtime"),
        ("**base", "something"),
        ("package={'additional_files': [PackageFile(dset='x')]}", "package.additional_files"),
    ],
)
def test_computed_options_are_named(
    project: Path, capfd: pytest.CaptureFixture[str], decorator: str, note: str
) -> None:
    names = "Containerize, PackageFile, RuntimeOptions"
    (project / "app.py").write_text(
        f"from buildr import {names}\n@Containerize({decorator})\ndef main(): ...\n"
    )
    run("app.py")
    assert f"buildr: app.py:2: {note} is computed" in capfd.readouterr().err


def test_one_of_several_decorated_functions_is_selectable(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "app.py").write_text(
        "from buildr import Containerize\n"
        "@Containerize\ndef a(): ...\n@Containerize(package={'tag': 'v3'})\ndef b(): ...\n"
    )
    assert run("app.py").exit_code == 125
    assert "a (line 2), b (line 4)\nName one: --function a." in capfd.readouterr().err
    assert rows("--function", "b", "app.py")["package.tag"] == ("v3", "the decorator")


def test_the_default_output_has_columns(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.buildr.package]\ntag = 'v1'\n")
    lines = run().stdout.splitlines()
    assert lines[0].split() == ["OPTION", "VALUE", "FROM"]
    assert f'package.tag  "v1"   {Path.cwd()}/pyproject.toml' in lines


def test_logins_in_urls_are_hidden_in_both_forms(project: Path) -> None:
    url = "https://tokentokentoken1234@index.example.org/x.whl"
    (project / "app.py").write_text(
        "import buildr\n"
        f"@buildr.Containerize(package={{'dependencies': ['x @ {url}']}}, runtime={{'healthcheck': 'curl {url}'}})\n"
        "def main(): ...\n"
        "main()\n"
    )
    for words in ([], ["--json"]):
        output = run(*words, "app.py").output
        assert output.count("https://****@index.example.org/x.whl") == 2
        assert "tokentoken" not in output
