"""``setup.cfg`` as a source of dependencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildr.dependencies import Dependencies, ProjectFiles, find_dependencies
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = """\
[metadata]
name = demo
version = 1.2

[options]
package_dir =
    = src
python_requires = >=3.9
install_requires =
    # what it needs
    idna>=3
    importlib-metadata; python_version<"3.10"

[options.extras_require]
CLI = click; rich>=13
"""


def find(directory: Path, text: str, **more: Any) -> Dependencies:
    (directory / "setup.cfg").write_text(text)
    found = find_dependencies(ProjectFiles(context=directory, **more))
    assert found is not None
    return found


def lines(found: Dependencies) -> list[str]:
    (file,) = found.files
    return file.data.decode().splitlines()


def test_the_project_s_requirements_are_installed(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    found = find(tmp_path, OPTIONS)
    assert found.source == "setup.cfg"
    assert lines(found) == ["idna>=3", 'importlib-metadata; python_version<"3.10"']
    assert (found.requires_python, found.python_source) == (">=3.9", "python_requires in setup.cfg")
    assert found.roots == ("src",)


def test_a_build_system_alone_leaves_the_dependencies_to_it(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[build-system]\nrequires = ["setuptools"]\n')
    assert find(tmp_path, OPTIONS).source == "setup.cfg"


def test_dynamic_dependencies_are_those_of_setup_cfg(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname="d"\ndynamic = ["dependencies"]\n')
    assert find(tmp_path, OPTIONS).source == "setup.cfg"


def test_extras_are_added(tmp_path: Path) -> None:
    assert lines(find(tmp_path, OPTIONS, extras=("cli",)))[2:] == ["click", "rich>=13"]
    with pytest.raises(DependencyError, match="has no 'web'") as refused:
        find(tmp_path, OPTIONS, extras=("web",))
    assert refused.value.hint == "accepted: CLI"


def test_referenced_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "reqs.txt").write_text("idna\n")
    found = find(tmp_path, "[options]\ninstall_requires = file: reqs.txt\n")
    assert found.source == "reqs.txt, named by setup.cfg"
    assert lines(found) == ["idna"]


def test_settings_of_other_tools_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").write_text("[flake8]\nmax-line-length = 100\n")
    assert find_dependencies(ProjectFiles(context=tmp_path)) is None
    with pytest.raises(DependencyError, match="has no install_requires"):
        find_dependencies(ProjectFiles(context=tmp_path, explicit="setup.cfg"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no section\n", "is not valid: .*no section headers"),
        ("[options]\ninstall_requires = a b\n", "'a b' is not a requirement"),
        (
            "[options]\ninstall_requires = file: a.txt\n[options.extras_require]\nx = y\n",
            "does not read together",
        ),
    ],
)
def test_invalid_settings_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(DependencyError, match=rf"(?s)^setup\.cfg.*{reason}"):
        find(tmp_path, text, extras=("x",) if "extras" in text else ())


def test_a_setup_py_that_may_add_to_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text("setup(install_requires=[])\n")
    assert any("setup.py" in note for note in find(tmp_path, OPTIONS).notes)
    (tmp_path / "setup.py").write_text("from setuptools import setup\nsetup()\n")
    assert find(tmp_path, OPTIONS).notes == ()
