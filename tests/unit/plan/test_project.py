"""What an entry and its options come to, before any engine is asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from buildr.errors import ContextError, DependencyError
from buildr.options import PackageFile, package_options
from buildr.plan.entry import Entry
from buildr.plan.project import Project, plan

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.delenv("BUILDR_BASE_IMAGE", raising=False)


def planned(script: str = "app.py", text: str = "", **options: Any) -> Project:
    """Plan a script in the current directory."""
    path = Path(script)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return plan(Entry(kind="script", script=str(path.absolute())), package_options(options))


# Names ------------------------------------------------------------------------------------------------


def test_the_image_is_named_after_the_script_and_stays_local() -> None:
    project = planned("hello.py")
    assert project.name == "hello"
    assert project.reference == "localhost/buildr/hello:latest"
    assert project.local_name == "localhost/buildr/hello"


def test_options_name_the_image() -> None:
    project = planned(repository="registry.example.org/me", name="team/app", tag="1.0")
    assert project.reference == "registry.example.org/me/team/app:1.0"
    assert project.local_name == "localhost/buildr/team/app"


@pytest.mark.parametrize(
    "script", ["My App.py", "größe.py", "-x.py", "☃.py", "_.py", "A" * 200 + ".py"]
)
def test_any_script_name_becomes_an_image_name(script: str) -> None:
    reference = planned(script).reference
    assert reference.isascii()
    assert reference == reference.lower()
    assert reference.startswith("localhost/buildr/")
    assert reference.endswith(":latest")


def test_each_project_has_its_own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = planned().key
    assert planned().key == first
    others = {planned("other.py").key, planned(name="x").key, planned(tag="1").key}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    others.add(planned().key)
    assert len(others - {first}) == 4


# The base image ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "base"),
    [
        ({}, "docker.io/library/python:3-alpine"),
        ({"py_version": "3.12"}, "docker.io/library/python:3.12-alpine"),
        ({"variant": "slim"}, "docker.io/library/python:3-slim"),
        ({"variant": ""}, "docker.io/library/python:3"),
        (
            {"py_version": "3.12.4", "variant": "slim-bookworm"},
            "docker.io/library/python:3.12.4-slim-bookworm",
        ),
        ({"base_image": "debian:12"}, "docker.io/library/debian:12"),
        ({"base_image": "registry.example.org/base"}, "registry.example.org/base"),
        ({"base_image": f"python@{DIGEST}"}, f"docker.io/library/python@{DIGEST}"),
        ({"base_image": DIGEST}, DIGEST),
    ],
)
def test_options_choose_the_base_image(options: dict[str, Any], base: str) -> None:
    assert planned(**options).recipe.base_image == base


def test_a_variable_replaces_every_base_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDR_BASE_IMAGE", "localhost/base:1")
    assert planned(py_version="3.12").recipe.base_image == "localhost/base:1"
    assert planned(base_image="debian:12").recipe.base_image == "localhost/base:1"


def test_the_python_version_of_the_project_is_used_and_reported(tmp_path: Path) -> None:
    (tmp_path / ".python-version").write_text("3.12\n")
    project = planned()
    assert project.recipe.base_image == "docker.io/library/python:3.12-alpine"
    assert "Python 3.12, from .python-version" in project.notes


def test_the_option_precedes_the_version_of_the_project(tmp_path: Path) -> None:
    (tmp_path / ".python-version").write_text("3.12\n")
    project = planned(py_version="3.13")
    assert project.recipe.base_image == "docker.io/library/python:3.13-alpine"
    assert not any("3.12" in note for note in project.notes)


def test_inline_metadata_sets_the_python_version() -> None:
    text = '# /// script\n# requires-python = "<3.12"\n# dependencies = ["rich"]\n# ///\n'
    assert planned(text=text).recipe.base_image == "docker.io/library/python:3.11-alpine"


# Dependencies -----------------------------------------------------------------------------------------


def test_without_dependencies_nothing_is_installed_and_that_is_reported() -> None:
    project = planned()
    assert project.recipe.install == ()
    assert any("nothing is installed" in note for note in project.notes)


def test_a_file_of_requirements_is_staged_and_installed(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("rich\n")
    project = planned()
    assert project.dependencies is not None
    assert [file.path for file in project.dependencies.files] == ["requirements.txt"]
    assert project.recipe.install == ("-r", "/usr/local/share/buildr/dependencies/requirements.txt")
    assert not project.recipe.source_first


def test_the_source_of_dependencies_is_reported(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("rich\n")
    project = planned()
    assert "dependencies from requirements.txt" in project.notes
    assert project.recipe.dependencies_source == "requirements.txt"
    (tmp_path / "requirements.txt").write_text("\n")
    assert "requirements.txt names no dependencies: nothing is installed" in planned().notes


def test_the_calls_of_pip_for_a_lock_and_the_folders_to_import_from(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "x").mkdir()
    (tmp_path / "pyproject.toml").write_text("[build-system]\n")
    (tmp_path / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "x"\nrequires-python = "<3.13"\n'
        '[[packages]]\nname = "demo"\ndirectory = { path = "." }\n'
        '[[packages]]\nname = "x"\ndirectory = { path = "x" }\n'
        '[[packages]]\nname = "y"\n[packages.vcs]\ntype = "git"\nurl = "https://git.example.org/y"\n'
        'commit-id = "0123456789"\n'
    )
    project = planned()
    root = "/usr/local/share/buildr/dependencies"
    assert project.recipe.install == ()
    assert project.recipe.unhashed == ("--no-deps", "-r", f"{root}/unhashed.txt")
    assert project.recipe.local == ("--no-deps", "-r", f"{root}/local.txt")
    assert project.recipe.roots == ("/app/src",)
    assert project.recipe.base_image == "docker.io/library/python:3.12-alpine"
    assert "Python 3.12, from requires-python in pylock.toml" in project.notes


@pytest.mark.parametrize(
    ("line", "package"),
    [
        ("x @ git+https://git.example.org/x@main", "git"),
        ("-e git+ssh://git@git.example.org/x#egg=x", "git"),
        ("git+https://git.example.org/x", "git"),
        ("x @ hg+https://hg.example.org/x", "mercurial"),
    ],
)
def test_a_vcs_requirement_installs_the_program(tmp_path: Path, line: str, package: str) -> None:
    (tmp_path / "requirements.txt").write_text(f"rich\n{line}\n")
    advice = f'{{"system_packages": ["{package}"]}}'
    assert [note for note in planned().notes if advice in note]
    for options in ({"system_packages": [package]}, {"variant": ""}, {"base_image": "mine"}):
        assert not [note for note in planned(**options).notes if "system_packages" in note]
    (tmp_path / "requirements.txt").write_text(f"rich # {line}\n# {line}\n")
    assert not [note for note in planned().notes if "system_packages" in note]


def test_a_requirement_in_the_source_puts_the_source_first(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-e .\n")
    assert planned().recipe.source_first


def test_the_main_of_a_directory_may_have_inline_metadata(tmp_path: Path) -> None:
    (tmp_path / "tool").mkdir()
    (tmp_path / "tool" / "__main__.py").write_text(
        '# /// script\n# dependencies = ["rich"]\n# ///\n'
    )
    project = plan(Entry(kind="script", script=str(tmp_path / "tool")), package_options(None))
    assert project.recipe.install


def test_requirements_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").symlink_to("gone.txt")
    with pytest.raises(DependencyError):
        planned()


# User -------------------------------------------------------------------------------------------------


def test_the_image_runs_as_an_ordinary_user_by_default() -> None:
    assert (planned().recipe.user, planned().recipe.home) == ("1000", "/home/app")
    assert (planned(user="root").recipe.user, planned(user="root").recipe.home) == ("0", "/root")


# Additional files -------------------------------------------------------------------------------------


def extra(*files: PackageFile) -> Project:
    return planned(additional_files=files)


def test_an_additional_file_is_relative_to_the_context(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.json").write_text("{}")
    (file,) = extra(PackageFile("data/a.json", "/etc/a.json", "0400")).files
    assert (file.source, file.destination, file.mode) == (
        str(tmp_path / "data" / "a.json"),
        "/etc/a.json",
        0o400,
    )


def test_an_additional_file_may_be_elsewhere_by_its_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    other = tmp_path / "a.json"
    other.write_text("{}")
    (file,) = extra(PackageFile(str(other), "/etc/a.json")).files
    assert file.source == str(other)


def test_an_additional_file_may_be_in_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "a.json").write_text("{}")
    monkeypatch.setenv("HOME", str(home))
    project = planned("src/app.py", additional_files=[PackageFile("~/a.json", "/a")], context="src")
    assert project.files[0].source == str(home / "a.json")


@pytest.mark.parametrize("src", ["../a.json", "link", "folder/a.json"])
def test_an_additional_file_must_not_leave_the_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, src: str
) -> None:
    (tmp_path / "a.json").write_text("{}")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to("../a.json")
    (inside / "folder").symlink_to("..")
    monkeypatch.chdir(inside)
    with pytest.raises(ContextError, match=f"leads out of the context, to {tmp_path / 'a.json'}"):
        extra(PackageFile(src, "/etc/a.json"))


def test_an_additional_file_must_exist() -> None:
    with pytest.raises(ContextError, match=r"the additional file gone\.json is not there"):
        extra(PackageFile("gone.json", "/etc/a.json"))


def test_a_fifo_cannot_be_an_additional_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ContextError, match="neither a file nor a directory"):
        extra(PackageFile("pipe", "/pipe"))


# An own Containerfile ---------------------------------------------------------------------------------


def test_with_a_user_s_containerfile_nothing_else_is_installed(tmp_path: Path) -> None:
    (tmp_path / "My Dockerfile").write_text("FROM debian:12\n")
    (tmp_path / "requirements.txt").write_text("rich\n")
    project = planned(dockerfile="My Dockerfile")
    assert project.dockerfile == str(tmp_path / "My Dockerfile")
    assert project.dependencies is None
    assert project.recipe.base_image == ""
    assert project.notes == ()


def test_a_user_s_containerfile_must_exist(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name, what in (("gone", "there"), ("folder", "a regular file")):
        with pytest.raises(ContextError, match=f"the dockerfile {name} is not {what}"):
            planned(dockerfile=name)
