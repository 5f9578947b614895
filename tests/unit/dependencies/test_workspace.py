"""uv workspaces: installed dependencies, and members imported from the source."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildr.dependencies import Dependencies, ProjectFiles, find_dependencies
from buildr.errors import DependencyError

HASH = "sha256:" + "ab" * 32
REGISTRY = 'source = { registry = "https://index.example.org/simple" }'
LOCK = """\
version = 1
[manifest]
members = ["top", "web", "lib"]
[[package]]
name = "top"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "x" }]
[[package]]
name = "web"
version = "1"
source = { editable = "packages/web" }
dependencies = [{ name = "y" }, { name = "lib" }]
[[package]]
name = "lib"
version = "1"
source = { editable = "packages/lib" }
dependencies = [{ name = "z" }]
""" + "".join(
    f'[[package]]\nname = "{name}"\nversion = "1"\n{REGISTRY}\nsdist = {{ hash = "{HASH}" }}\n'
    for name in "xyz"
)
BACKEND = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "uv.lock").write_text(LOCK)
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "top"\nversion = "1"\n[tool.uv.workspace]\nmembers = ["packages/*"]\n'
    )
    for name in ("web", "lib"):
        folder = tmp_path / "packages" / name
        (folder / "src" / name).mkdir(parents=True)
        (folder / "pyproject.toml").write_text(
            f'[project]\nname = "{name}"\nversion = "2"\ndependencies = ["{name}-needs"]\n{BACKEND}'
        )
    for script in ("app.py", "packages/app.py", "packages/web/app.py", "packages/lib/app.py"):
        (tmp_path / script).touch()
    (tmp_path / "packages/web/src/web/__main__.py").touch()
    return tmp_path


def found(context: Path, script: str, member: str | None = None) -> Dependencies:
    dependencies = find_dependencies(
        ProjectFiles(context=context, script=Path(script), member=member)
    )
    assert dependencies is not None
    return dependencies


def names(dependencies: Dependencies) -> set[str]:
    """Return the names of installed packages."""
    text = b"".join(file.data for file in dependencies.files).decode()
    return {
        line.partition("==")[0] for line in text.splitlines() if not line.startswith((" ", "--"))
    }


def described(dependencies: Dependencies) -> set[str]:
    """Return the projects that ``importlib.metadata`` knows without an installation."""
    return {file.path.partition("/")[0] for file in dependencies.own}


@pytest.mark.parametrize(
    ("script", "installed"),
    [
        ("app.py", {"x"}),
        ("packages/web/app.py", {"y", "z"}),
        ("packages/web/src/web/__main__.py", {"y", "z"}),
        ("packages/lib/app.py", {"z"}),
        ("packages/app.py", {"x"}),
    ],
)
def test_a_script_has_the_dependencies_of_its_member(
    workspace: Path, script: str, installed: set[str]
) -> None:
    assert names(found(workspace, script)) == installed
    assert names(found(workspace, str(workspace / script))) == installed


@pytest.mark.parametrize("name", ["web", "WEB"])
def test_a_member_can_be_named(workspace: Path, name: str) -> None:
    assert names(found(workspace, "app.py", name)) == {"y", "z"}


def test_an_unknown_member_is_refused_with_the_known_ones(workspace: Path) -> None:
    with pytest.raises(
        DependencyError, match=r"package\.member: uv\.lock has no member 'wbe'"
    ) as error:
        found(workspace, "app.py", "wbe")
    assert error.value.hint == "accepted: lib, top, web"


def test_a_member_cannot_be_named_without_a_lock(workspace: Path) -> None:
    (workspace / "uv.lock").unlink()
    with pytest.raises(DependencyError, match=r"package\.member has no effect") as error:
        found(workspace, "packages/web/app.py", "web")
    assert error.value.hint == "run: uv lock"


def test_editable_members_are_imported_from_the_source(workspace: Path) -> None:
    web = found(workspace, "packages/web/app.py")
    assert web.local == ()
    assert web.roots == ("packages/web/src", "packages/lib/src")
    assert described(web) == {"web-2.dist-info", "lib-2.dist-info"}
    lib = found(workspace, "packages/lib/app.py")
    assert lib.roots == ("packages/lib/src",)
    assert described(lib) == {"lib-2.dist-info"}
    assert found(workspace, "app.py").roots == ()


@pytest.mark.parametrize(
    "more",
    [
        '[project.scripts]\nlib = "lib:main"\n',
        "[tool.hatch.build.hooks.custom]\n",
        "[tool.setuptools]\next-modules = [{ name = 'x', sources = ['x.c'] }]\n",
    ],
)
def test_members_that_need_an_installer_are_installed(workspace: Path, more: str) -> None:
    file = workspace / "packages" / "lib" / "pyproject.toml"
    file.write_text(file.read_text() + more)
    web = found(workspace, "packages/web/app.py")
    assert web.local == ("--no-deps", "-r", "local.txt")
    assert web.roots == ("packages/web/src",)


@pytest.mark.parametrize("build", ["setup.py", "setup.cfg", "another back end"])
def test_members_that_may_need_a_build_are_installed(workspace: Path, build: str) -> None:
    folder = workspace / "packages" / "lib"
    if build.startswith("setup"):
        (folder / build).touch()
    else:
        file = folder / "pyproject.toml"
        file.write_text(file.read_text().replace("hatchling.build", "maturin"))
    assert found(workspace, "packages/web/app.py").local == ("--no-deps", "-r", "local.txt")


def test_without_a_lock_a_script_has_the_dependencies_of_its_member(workspace: Path) -> None:
    (workspace / "uv.lock").unlink()
    web = found(workspace, "packages/web/app.py")
    assert web.source == "packages/web/pyproject.toml"
    assert names(web) == {"web-needs"}
    assert web.roots == ("packages/web/src",)
    assert described(web) == {"web-2.dist-info"}
    assert found(workspace, "app.py").source == "pyproject.toml"


TOP = """\
[tool.uv.workspace]
members = ["packages/*"]
[tool.uv.sources]
web-needs = { index = "private" }
[[tool.uv.index]]
name = "private"
url = "https://private.example.org/simple"
"""


def test_sources_of_a_workspace_apply_to_its_members(workspace: Path) -> None:
    (workspace / "uv.lock").unlink()
    (workspace / "pyproject.toml").write_text(TOP)
    with pytest.raises(DependencyError, match=r"sources\.web-needs ties the package to the index"):
        found(workspace, "packages/web/app.py")
    index = b"--extra-index-url https://private.example.org/simple"
    (lines,) = found(workspace, "packages/lib/app.py").files
    assert lines.data.splitlines() == [index, b"lib-needs"]


def test_a_file_at_the_top_of_a_workspace_may_hold_its_settings(workspace: Path) -> None:
    (workspace / "uv.lock").unlink()
    index = '[[index]]\nurl = "https://private.example.org/simple"\ndefault = true\n'
    (workspace / "uv.toml").write_text(index)
    (workspace / "pyproject.toml").write_text("[tool.uv.workspace]\nmembers = ['packages/*']\n")
    (lines,) = found(workspace, "packages/lib/app.py").files
    assert lines.data.splitlines()[0] == b"--index-url https://private.example.org/simple"
