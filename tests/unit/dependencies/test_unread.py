"""Notes about files with dependencies that are not read."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildr.dependencies import ProjectFiles, find_dependencies
from buildr.dependencies.unread import beside_script, unread
from buildr.errors import DependencyError
from buildr.options import package_options
from buildr.plan.entry import Entry
from buildr.plan.project import plan

CONDA = "name: x\ndependencies:\n  - numpy\n"


def notes(directory: Path, **options: object) -> tuple[str, ...]:
    (directory / "app.py").write_text("print()\n")
    entry = Entry(kind="script", script=str(directory / "app.py"))
    return plan(entry, package_options({"context": str(directory), **options})).notes


@pytest.mark.parametrize(
    ("name", "text", "advice"),
    [
        ("environment.yml", CONDA, "requirements.txt, or take an image that has conda"),
        ("environment.yaml", CONDA, "conda"),
        ("conda.yml", CONDA, "conda"),
        ("conda-lock.yml", "package: []\n", "conda"),
        ("pixi.toml", "", "conda"),
        ("Pipfile", "", "`pipenv lock`"),
        ("setup.py", "", '"-e ."'),
        ("Requirements.txt", "idna", "--dependencies-file Requirements.txt"),
        ("requirements-prod.txt", "idna", "--dependencies-file requirements-prod.txt"),
        ("requirements.in", "idna", "--dependencies-file requirements.in"),
        ("dev-requirements.txt", "idna", "--dependencies-file"),
        ("requirements.lock", "idna", "--dependencies-file requirements.lock"),
        ("requirements/base.txt", "idna", "--dependencies-file requirements/base.txt"),
        (
            "pyproject.toml",
            "[tool.pixi.pypi-dependencies]\nidna = '*'\n",
            r"[project] dependencies",
        ),
        ("pyproject.toml", "[tool.hatch.envs.default]\n", r"[project] dependencies"),
    ],
)
def test_unsupported_files_are_named_with_advice(
    tmp_path: Path, name: str, text: str, advice: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)

    nothing, *said = notes(tmp_path)

    assert nothing.endswith("nothing is installed")
    (line,) = said
    assert name in line
    assert "not read" in line
    assert advice in line


@pytest.mark.parametrize(
    ("name", "text"),
    [("docker-env.yml", CONDA), ("env.yml", "variables: {}\n"), ("setup.cfg", "[flake8]\n")],
)
def test_other_files_are_not_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)

    assert len(notes(tmp_path)) == 1


def test_with_dependencies_only_other_environments_are_named(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("idna\n")
    for name in ("environment.yml", "setup.py", "requirements-dev.txt", "requirements.lock"):
        (tmp_path / name).write_text(CONDA)

    said = [line.partition(" ")[0] for line in unread(tmp_path, installs=True)]

    assert said == ["environment.yml", "requirements.lock"]


def test_nothing_is_named_if_the_user_chose_a_file(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text(CONDA)

    assert not any("environment" in line for line in notes(tmp_path, dependencies=["idna"]))


def test_a_conda_environment_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_text(CONDA)

    with pytest.raises(DependencyError, match=r"'environment\.yml' is not read") as refused:
        find_dependencies(ProjectFiles(context=tmp_path, explicit="environment.yml"))

    assert "packages that pip cannot install" in refused.value.hint


def test_a_lock_of_rye_is_read_if_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("idna==3.4\n-e file:.\n")

    found = find_dependencies(ProjectFiles(context=tmp_path, explicit="requirements.lock"))

    assert found is not None
    assert found.needs_source


@pytest.mark.parametrize("file", ["poetry.lock", "requirements.txt", "pyproject.toml"])
def test_a_file_beside_the_script_is_named(tmp_path: Path, file: str) -> None:
    (tmp_path / "app" / "bin").mkdir(parents=True)
    (tmp_path / "app" / file).write_text('dependencies = ["idna"]\n')
    (line,) = beside_script(tmp_path, Path("app/bin/run.py"))
    assert line.startswith(f"app/{file} is not read, since it is not at the top of the context")
    assert line.endswith(f"--dependencies-file app/{file} names it")


def test_other_settings_beside_the_script_are_not_named(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "pyproject.toml").write_text("[tool.ruff]\n")
    assert list(beside_script(tmp_path, tmp_path / "app" / "run.py")) == []
    assert list(beside_script(tmp_path, None)) == []
