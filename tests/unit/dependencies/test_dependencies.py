"""The choice of the source of dependencies, and its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from buildr.dependencies import Dependencies, ProjectFiles, StagedFile, find_dependencies
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = """\
# /// script
# requires-python = ">=3.11"
# dependencies = ["rich"]
# ///
"""


def project(context: Path, explicit: str | None = None) -> ProjectFiles:
    script = context / "app.py"
    return ProjectFiles(
        context=context, script=script if script.exists() else None, explicit=explicit
    )


def test_a_project_without_any_source_has_none(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("print()\n")

    assert find_dependencies(project(tmp_path)) is None


def test_a_project_may_have_no_script(tmp_path: Path) -> None:
    assert find_dependencies(project(tmp_path)) is None


def test_requirements_precede_inline_metadata(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(BLOCK)
    (tmp_path / "requirements.txt").write_text("requests\n")

    found = find_dependencies(project(tmp_path))

    assert found is not None
    assert found.source == "requirements.txt"
    assert found.files == (StagedFile(path="requirements.txt", data=b"requests\n"),)


def test_the_script_s_python_does_not_depend_on_the_source(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(BLOCK)
    (tmp_path / "requirements.txt").write_text("requests\n")

    found = find_dependencies(project(tmp_path))

    assert found is not None
    assert found.requires_python == ">=3.11"


def test_a_named_file_comes_first(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("requests\n")
    (tmp_path / "deps").mkdir()
    (tmp_path / "deps" / "dev.txt").write_text("-r ../requirements.txt\npytest\n")

    for name in ("deps/dev.txt", str(tmp_path / "deps/dev.txt"), "./deps//dev.txt"):
        found = find_dependencies(project(tmp_path, name))

        assert found is not None
        assert found.source == "deps/dev.txt"
        assert [file.path for file in found.files] == ["requirements.txt", "deps/dev.txt"]
        assert found.install == ("-r", "deps/dev.txt")


def test_a_named_script_is_read_for_its_inline_metadata(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(BLOCK)

    found = find_dependencies(project(tmp_path, "other.py"))

    assert found is not None
    assert found.source == "the inline metadata of other.py"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.txt", "No such file"),
        ("../outside.txt", "outside the context"),
        ("/etc/passwd", "outside the context"),
        ("folder.txt", "not a regular file"),
        ("link.txt", "outside the context"),
        ("Gemfile.lock", "not a file that"),
        ("plain.py", "no inline metadata"),
    ],
)
def test_an_unsuitable_named_file_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    context = tmp_path / "context"
    (context / "folder.txt").mkdir(parents=True)
    (context / "Gemfile.lock").touch()
    (context / "plain.py").touch()
    (tmp_path / "outside.txt").touch()
    (context / "link.txt").symlink_to("../outside.txt")

    with pytest.raises(DependencyError, match=reason):
        find_dependencies(project(context, name))


def test_the_arguments_of_pip_name_the_staged_files() -> None:
    found = Dependencies(
        source="x",
        files=(StagedFile(path="a/b.txt", data=b""),),
        install=("--no-deps", "-r", "a/b.txt"),
    )

    assert found.arguments("/opt/deps") == ("--no-deps", "-r", "/opt/deps/a/b.txt")


def test_the_same_files_give_the_same_result(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("-c c.txt\n-r a.txt\nbuildr-oci\n")
    (tmp_path / "a.txt").write_text("a\n")
    (tmp_path / "c.txt").write_text("a==1\n")

    assert find_dependencies(project(tmp_path)) == find_dependencies(project(tmp_path))
