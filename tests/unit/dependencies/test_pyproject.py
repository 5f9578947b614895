"""``pyproject.toml`` as a source of dependencies, and lists of requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from buildr.dependencies import Dependencies, ProjectFiles, find_dependencies
from buildr.errors import DependencyError

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = """\
[project]
name = "demo"
version = "1"
requires-python = ">=3.11"
dependencies = ["requests>=2.31", "tomli; python_version < '3.11'"]

[project.optional-dependencies]
cli = ["click", "rich"]
Web_App = ["flask"]
all = ["demo[cli,web-app]"]

[dependency-groups]
test = ["pytest"]
dev = [{include-group = "test"}, "ruff", "requests>=2.31"]
"""


def find(directory: Path, **more: Any) -> Dependencies | None:
    return find_dependencies(ProjectFiles(context=directory, **more))


def lines(directory: Path, text: str, **more: Any) -> list[str]:
    (directory / "pyproject.toml").write_text(text)
    found = find(directory, **more)
    assert found is not None
    if not found.files:
        return []
    (file,) = found.files
    assert found.install == ("-r", file.path)
    return file.data.decode().splitlines()


def test_the_project_s_dependencies_are_installed(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    found = find(tmp_path)
    assert found is not None
    assert found.source == "pyproject.toml"
    assert (found.requires_python, found.python_source) == (
        ">=3.11",
        "requires-python in pyproject.toml",
    )
    assert found.files[0].data == b"requests>=2.31\ntomli; python_version < '3.11'\n"
    assert not found.needs_source
    assert found.roots == ()


@pytest.mark.parametrize(
    ("extras", "more"),
    [
        (("cli",), ["click", "rich"]),
        (("Web-App",), ["flask"]),
        (("all",), ["click", "rich", "flask"]),
        (("all", "cli"), ["click", "rich", "flask"]),
    ],
)
def test_extras_are_added(tmp_path: Path, extras: tuple[str, ...], more: list[str]) -> None:
    assert sorted(lines(tmp_path, PROJECT, extras=extras)[2:]) == sorted(more)


def test_groups_are_added_with_those_that_they_include(tmp_path: Path) -> None:
    assert lines(tmp_path, PROJECT, groups=("dev",))[2:] == ["pytest", "ruff"]


def test_groups_need_no_project(tmp_path: Path) -> None:
    text = '[dependency-groups]\nrun = ["rich"]\n'
    assert lines(tmp_path, text, groups=("run",)) == ["rich"]
    assert find(tmp_path) is None


@pytest.mark.parametrize("option", ["extras", "groups"])
def test_an_unknown_extra_or_group_is_refused(tmp_path: Path, option: str) -> None:
    with pytest.raises(DependencyError, match=f"package.{option}: pyproject.toml has no 'x'"):
        lines(tmp_path, PROJECT, **{option: ("x",)})


def test_a_file_that_only_configures_tools_is_not_a_source(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    assert find(tmp_path) is None
    with pytest.raises(DependencyError, match=r"has no table \[project\]"):
        find(tmp_path, explicit="pyproject.toml")


def test_a_project_without_dependencies_installs_nothing(tmp_path: Path) -> None:
    assert lines(tmp_path, '[project]\nname = "x"\nversion = "1"\n') == []


def test_an_index_of_the_project_is_passed_to_pip(tmp_path: Path) -> None:
    index = '[[tool.uv.index]]\nurl = "https://mine.example.org/simple"\n'
    assert lines(tmp_path, PROJECT + index)[0] == (
        "--extra-index-url https://mine.example.org/simple"
    )


def test_a_requirement_with_a_uv_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match=r"tool\.uv\.sources\.Requests") as caught:
        lines(tmp_path, f'{PROJECT}[tool.uv.sources]\nRequests = {{ path = "x" }}\n')
    assert caught.value.hint == "run: uv lock"
    other = f'{PROJECT}[tool.uv.sources]\nother = {{ path = "x" }}\n'
    assert len(lines(tmp_path, other)) == 2


MINE = 'url = "https://mine.example.org/simple"\n'
UV_INDEX = f'[[tool.uv.index]]\nname = "mine"\n{MINE}'
TIED = "[tool.uv.sources]\nrequests = "


@pytest.mark.parametrize(
    ("tables", "where", "command"),
    [
        (f'{UV_INDEX}explicit = true\n{TIED}{{ index = "mine" }}\n', "uv.sources", "uv lock"),
        (f'{UV_INDEX}{TIED}{{ index = "mine" }}\n', "uv.sources", "uv lock"),
        (f'{UV_INDEX}{TIED}[{{ index = "mine", marker = "a" }}]\n', "uv.sources", "uv lock"),
        (
            f'{UV_INDEX}default = true\n[[tool.uv.index]]\nurl = "https://b"\n{TIED}{{ index = "mine" }}\n',
            "uv.sources",
            "uv lock",
        ),
        (
            f'[tool.poetry.dependencies]\nrequests = {{ source = "mine" }}\n[[tool.poetry.source]]\n{MINE}',
            "poetry.dependencies",
            "poetry lock",
        ),
        (
            '[tool.poetry.group.main.dependencies]\nRequests = { git = "https://x" }\n',
            "poetry.group",
            "poetry lock",
        ),
        (f'[[tool.pdm.source]]\n{MINE}include_packages = ["req*"]\n', "pdm.source", "pdm lock"),
        (
            '[tool.pixi.pypi-dependencies]\nrequests = { version = "*", index = "https://x" }\n',
            "pixi.pypi-dependencies",
            "uv lock",
        ),
    ],
)
def test_a_package_tied_to_an_index_is_refused_without_a_lock(
    tmp_path: Path, tables: str, where: str, command: str
) -> None:
    with pytest.raises(DependencyError, match=rf"tool\.{where}.* ties the package to") as caught:
        lines(tmp_path, PROJECT + tables)
    assert caught.value.hint.startswith(f"run: {command}")


def test_blanks_around_a_requirement_do_not_matter(tmp_path: Path) -> None:
    project = '[project]\nname = "x"\nversion = "1"\ndependencies = [" requests >= 2 "]\n'
    with pytest.raises(DependencyError, match="ties the package to"):
        lines(tmp_path, f'{project}{UV_INDEX}{TIED}{{ index = "mine" }}\n')


def test_a_package_in_a_referenced_file_is_tied_too(tmp_path: Path) -> None:
    project = '[project]\nname = "x"\nversion = "1"\ndynamic = ["dependencies"]\n'
    read = '[tool.setuptools.dynamic]\ndependencies = {file = ["needs.in"]}\n'
    (tmp_path / "needs.in").write_text("# ours\nRequests>=2\n")
    with pytest.raises(DependencyError, match="ties the package to"):
        lines(tmp_path, f'{project}{read}{UV_INDEX}{TIED}{{ index = "mine" }}\n')


@pytest.mark.parametrize(
    ("tables", "named", "command"),
    [
        ('[tool.uv]\nconstraint-dependencies = ["idna<4"]\n', "uv.constraint-dependencies", "uv"),
        ('[tool.uv]\noverride-dependencies = ["idna<4"]\n', "uv.override-dependencies", "uv"),
        ('[tool.uv]\nprerelease = "allow"\n', "uv.prerelease", "uv"),
        ('[tool.uv]\nexclude-newer = "2024-01-01"\n', "uv.exclude-newer", "uv"),
        ('[tool.pdm.resolution.overrides]\nidna = "3"\n', "pdm.resolution.overrides", "pdm"),
    ],
)
def test_a_setting_that_only_applies_to_locks_is_reported(
    tmp_path: Path, tables: str, named: str, command: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT + tables)
    found = find(tmp_path)
    assert found is not None
    expected = f"pyproject.toml: tool.{named}: not applied without a lock; run: {command} lock"
    assert found.notes == (expected,)


def test_a_package_tied_to_the_only_index_is_installed_from_it(tmp_path: Path) -> None:
    tables = f'{UV_INDEX}default = true\n{TIED}{{ index = "mine" }}\n'
    assert lines(tmp_path, PROJECT + tables)[0] == "--index-url https://mine.example.org/simple"


def test_an_explicit_index_is_not_used_for_other_packages(tmp_path: Path) -> None:
    tables = f'{UV_INDEX}explicit = true\n[tool.uv.sources]\nother = {{ index = "mine" }}\n'
    assert lines(tmp_path, PROJECT + tables)[0] == "requests>=2.31"


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        (UV_INDEX, "--extra-index-url"),
        (f'{UV_INDEX}format = "flat"\n', "--find-links"),
        ('[tool.uv]\nindex-url = "https://mine.example.org/simple"\n', "--index-url"),
        ('[tool.uv]\nextra-index-url = ["https://mine.example.org/simple"]\n', "--extra-index-url"),
        (f'[[tool.pdm.source]]\nname = "pypi"\n{MINE}', "--index-url"),
        (f'[[tool.pdm.source]]\nname = "mine"\n{MINE}', "--extra-index-url"),
        (f'[[tool.pdm.source]]\ntype = "find_links"\n{MINE}', "--find-links"),
        (f'[[tool.poetry.source]]\nname = "mine"\n{MINE}', "--index-url"),
        (f'[[tool.poetry.source]]\n{MINE}priority = "supplemental"\n', "--extra-index-url"),
        (f'[[tool.poetry.source]]\n{MINE}priority = "explicit"\n', ""),
        (
            f'[[tool.poetry.source]]\nname = "PyPI"\n[[tool.poetry.source]]\n{MINE}',
            "--extra-index-url",
        ),
        (f'[[tool.rye.sources]]\nname = "default"\n{MINE}', "--index-url"),
        (f'[[tool.rye.sources]]\nname = "mine"\n{MINE}', "--extra-index-url"),
    ],
)
def test_indexes_of_every_tool_are_passed_to_pip(
    tmp_path: Path, tables: str, expected: str
) -> None:
    found = lines(tmp_path, PROJECT + tables)
    wanted = f"{expected} https://mine.example.org/simple" if expected else "requests>=2.31"
    assert found[0] == wanted
    notes = find(tmp_path).notes  # type: ignore[union-attr] # there is one
    assert any("pip takes each package from" in note for note in notes) == ("extra" in expected)


def test_uv_toml_precedes_the_table(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text('[[index]]\nurl = "https://b.example.org"\n')
    assert lines(tmp_path, PROJECT + UV_INDEX)[0] == "--extra-index-url https://b.example.org"
    with pytest.raises(DependencyError, match=r"tool\.uv\.sources\.requests"):
        lines(tmp_path, PROJECT + UV_INDEX + TIED + '{ index = "mine" }\n')


def test_a_poetry_project_without_its_lock_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DependencyError) as caught:
        lines(tmp_path, '[tool.poetry.dependencies]\nrequests = "^2"\n')
    assert caught.value.hint == "run: poetry lock"


def test_dependencies_that_setuptools_reads_from_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "deps").mkdir()
    (tmp_path / "deps" / "a.txt").write_text("rich\n")
    (tmp_path / "b.txt").write_text("click\n")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "x"\ndynamic = ["dependencies"]\n'
        '[tool.setuptools.dynamic]\ndependencies = { file = ["deps/a.txt", "b.txt"] }\n'
    )
    found = find(tmp_path)
    assert found is not None
    assert found.source == "deps/a.txt, b.txt, named by pyproject.toml"
    assert found.install == ("-r", "deps/a.txt", "-r", "b.txt")


def test_other_dynamic_dependencies_are_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match="dynamic") as caught:
        lines(tmp_path, '[project]\nname = "x"\ndynamic = ["dependencies"]\n')
    assert "-e ." in caught.value.hint


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[project\n", "not valid TOML"),
        ("project = 1\n", "project has the wrong form"),
        ("[project]\ndependencies = 'rich'\n", "project.dependencies has the wrong form"),
        ("[project]\ndependencies = ['a b']\n", "'a b' is not a requirement"),
        ('[project]\ndependencies = ["a\\n--pre"]\n', "is not a requirement"),
        ("[project]\ndynamic = 3\n", "project.dynamic has the wrong form"),
        ("[project]\nrequires-python = 3\n", "project.requires-python has the wrong form"),
        ("[project]\n[dependency-groups]\ng = 1\n", "dependency-groups.g has the wrong form"),
        ("[project]\n[dependency-groups]\ng = [1]\n", "dependency-groups.g has the wrong form"),
        (
            "[project]\n[dependency-groups]\ng = [{include-group='h'}]\nh = [{include-group='g'}]\n",
            "includes itself, by g → h → g",
        ),
        ("[project]\n[dependency-groups]\ng = [{include-group='x'}]\n", "has no 'x'"),
    ],
)
def test_invalid_tables_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(DependencyError, match=reason):
        lines(tmp_path, text, groups=("g",) if "groups" in text else ())


# Folders to import from -------------------------------------------------------------------------------

PACKAGE = '[build-system]\nrequires = ["x"]\n[project]\nname = "demo"\nversion = "1"\n'


@pytest.mark.parametrize(
    ("folders", "more", "roots"),
    [
        (["src"], "", ("src",)),
        ([], "", (".",)),
        (["src"], "[tool.uv]\npackage = false\n", ()),
        (["lib", "src"], '[tool.setuptools]\npackage-dir = { "" = "lib" }\n', ("lib",)),
        (["lib"], '[tool.setuptools.packages.find]\nwhere = ["lib"]\n', ("lib",)),
        (["lib"], '[tool.poetry]\npackages = [{ include = "x", from = "lib" }]\n', ("lib",)),
        ([], '[tool.poetry]\npackages = [{ include = "x" }]\n', (".",)),
        (["src"], "[tool.poetry]\npackage-mode = false\n", ()),
        (["lib"], '[tool.pdm.build]\npackage-dir = "lib"\n', ("lib",)),
        (["py"], '[tool.uv.build-backend]\nmodule-root = "py"\n', ("py",)),
        ([], '[tool.uv.build-backend]\nmodule-root = ""\n', (".",)),
        (["a", "b"], '[tool.hatch.build.targets.wheel]\npackages = ["a/x", "b/y"]\n', ("a", "b")),
        ([], '[tool.hatch.build.targets.wheel]\npackages = ["x"]\n', (".",)),
    ],
)
def test_the_import_path_of_the_project_is_found(
    tmp_path: Path, folders: list[str], more: str, roots: tuple[str, ...]
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir()
    (tmp_path / "pyproject.toml").write_text(PACKAGE + more)
    found = find(tmp_path)
    assert found is not None
    assert found.roots == roots


def test_a_project_that_is_not_built_is_not_a_package(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    found = find(tmp_path)
    assert found is not None
    assert found.roots == ()


@pytest.mark.parametrize("folder", ["..", "../x", "/usr", "a:b", "a$b", 'a"b', "a\\\\b", "a\\nb"])
def test_an_invalid_import_path_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / "pyproject.toml").write_text(
        f'{PACKAGE}[tool.setuptools.packages.find]\nwhere = ["{folder.replace(chr(34), chr(92) + chr(34))}"]\n'
    )
    with pytest.raises(DependencyError, match="cannot import from the folder"):
        find(tmp_path)


def test_dependencies_of_old_flit_projects_are_installed(tmp_path: Path) -> None:
    text = """\
[tool.flit.metadata]
module = "demo"
requires = ["idna"]
requires-python = ">=3.9"
[tool.flit.metadata.requires-extra]
cli = ["click"]
"""
    assert lines(tmp_path, text, extras=("cli",)) == ["idna", "click"]
    assert find(tmp_path).requires_python == ">=3.9"  # type: ignore[union-attr] # there is one


# The decorator's list ---------------------------------------------------------------------------------


def test_a_list_precedes_every_file(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("a\n")
    found = find(tmp_path, listed=("httpx>=0.27", "buildr"))
    assert found is not None
    assert found.source == "package.dependencies"
    assert found.files[0].data == b"httpx>=0.27\n"
    assert found.install == ("-r", "requirements.txt")
    assert "Buildr itself is left out" in found.notes[0]


def test_an_empty_list_installs_nothing(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("a\n")
    found = find(tmp_path, listed=())
    assert found is not None
    assert (found.files, found.install) == ((), ())


@pytest.mark.parametrize(
    "item", ["requirements.txt", "reqs/base.in", "-r x.txt", "pyproject.toml", "environment.yml"]
)
def test_a_file_name_in_the_list_is_recognized(tmp_path: Path, item: str) -> None:
    with pytest.raises(DependencyError, match=rf"{item}' is a file, and not a package") as caught:
        find(tmp_path, listed=(item,))
    assert "dependencies_file" in caught.value.hint
    assert find(tmp_path, listed=("discord.py>=2", "zope.interface")) is not None


@pytest.mark.parametrize("item", ["a b", "--pre", "./x", "a # b", "a \\"])
def test_an_invalid_requirement_in_the_list_is_refused(tmp_path: Path, item: str) -> None:
    with pytest.raises(DependencyError, match=r"^package\.dependencies: .* is not a requirement"):
        find(tmp_path, listed=(item,))


@pytest.mark.parametrize("option", ["extras", "groups"])
def test_extras_and_groups_need_a_file_that_has_them(tmp_path: Path, option: str) -> None:
    (tmp_path / "requirements.txt").write_text("a\n")
    reason = f"package.{option} has no effect: the dependencies come from requirements.txt"
    with pytest.raises(DependencyError, match=reason):
        find(tmp_path, **{option: ("x",)})
    (tmp_path / "requirements.txt").unlink()
    with pytest.raises(DependencyError, match=f"package.{option} has no effect: no file"):
        find(tmp_path, **{option: ("x",)})
