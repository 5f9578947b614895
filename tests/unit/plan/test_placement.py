"""Where a program is in its project, and so in the image."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from buildr.errors import ContextError
from buildr.plan.entry import Entry
from buildr.plan.placement import Placement, place


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def placed(
    entry: Entry, cwd: Path, monkeypatch: pytest.MonkeyPatch, context: str | None = None
) -> Placement:
    monkeypatch.chdir(cwd)
    return place(entry, context)


def script(path: Path) -> Entry:
    write(path)
    return Entry(kind="script", script=str(path))


@pytest.mark.parametrize("name", ["app.py", "my app.py", "größe.py", "-x.py", "a'b\"$c.py"])
def test_without_a_project_the_script_s_directory_is_the_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert placed(script(tmp_path / name), tmp_path, monkeypatch) == Placement(
        context=str(tmp_path), command=("python", "-u", f"/app/{name}"), workdir="/app"
    )


def test_from_elsewhere_the_script_s_directory_is_the_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    found = placed(script(tmp_path / "there" / "app.py"), tmp_path / "here", monkeypatch)
    assert found == Placement(
        context=str(tmp_path / "there"), command=("python", "-u", "/app/app.py"), workdir="/app"
    )


def test_a_directory_with_the_same_prefix_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app").mkdir()
    found = placed(script(tmp_path / "app2" / "app.py"), tmp_path / "app", monkeypatch)
    assert found.context == str(tmp_path / "app2")


def test_a_named_context_is_used_and_contains_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = script(tmp_path / "src" / "pkg" / "app.py")
    found = placed(entry, tmp_path / "src" / "pkg", monkeypatch, "..")
    assert found == Placement(
        context=str(tmp_path / "src"),
        command=("python", "-u", "/app/pkg/app.py"),
        workdir="/app/pkg",
    )


def test_a_directory_with_a_main_is_its_own_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "there" / "tool" / "__main__.py")
    (tmp_path / "here").mkdir()
    entry = Entry(kind="script", script=str(tmp_path / "there" / "tool"))
    found = placed(entry, tmp_path / "here", monkeypatch)
    assert found == Placement(
        context=str(tmp_path / "there" / "tool"), command=("python", "-u", "/app"), workdir="/app"
    )


def test_a_module_runs_from_its_import_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "src" / "pkg" / "mod.py")
    entry = Entry(
        kind="module", script=str(file), module="pkg.mod", import_root=str(tmp_path / "src")
    )
    assert placed(entry, tmp_path, monkeypatch) == Placement(
        context=str(tmp_path / "src"), command=("python", "-u", "-m", "pkg.mod"), workdir="/app"
    )
    write(tmp_path / "pyproject.toml")
    assert placed(entry, tmp_path / "src", monkeypatch) == Placement(
        context=str(tmp_path), command=("python", "-u", "-m", "pkg.mod"), workdir="/app/src"
    )


def test_a_link_to_the_current_directory_is_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "real"
    write(real / "app.py")
    (tmp_path / "link").symlink_to(real)
    entry = Entry(kind="script", script=str(tmp_path / "link" / "app.py"))
    found = placed(entry, tmp_path / "link", monkeypatch)
    assert (os.path.realpath(found.context), found.command[-1]) == (str(real), "/app/app.py")


def test_a_script_that_is_a_link_keeps_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "src" / "real.py")
    (tmp_path / "app.py").symlink_to("src/real.py")
    entry = Entry(kind="script", script=str(tmp_path / "app.py"))
    assert placed(entry, tmp_path, monkeypatch).command[-1] == "/app/app.py"


def test_a_context_without_the_script_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(ContextError, match="is not in the context") as wrong:
        placed(script(tmp_path / "app.py"), tmp_path, monkeypatch, "other")
    assert "--context" in wrong.value.hint


@pytest.mark.parametrize("named", ["gone", "app.py"])
def test_a_context_that_is_not_a_directory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    with pytest.raises(ContextError, match=f"the context {named} is not a directory"):
        placed(script(tmp_path / "app.py"), tmp_path, monkeypatch, named)


@pytest.mark.parametrize("above", [".", "..", "../.."])
def test_home_and_its_parents_are_not_a_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, above: str
) -> None:
    home = tmp_path / "home" / "user"
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    cwd = (home / above).resolve()
    with pytest.raises(ContextError, match=f"{cwd} would be sent to the build as a whole") as wide:
        placed(script(cwd / "app.py"), cwd, monkeypatch)
    assert f"--context {cwd}" in wide.value.hint


def test_home_can_be_named_as_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for context in (".", "~", str(tmp_path)):
        found = placed(script(tmp_path / "app.py"), tmp_path, monkeypatch, context)
        assert found.context == str(tmp_path)


def test_home_behind_a_link_is_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "real")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(ContextError, match="as a whole"):
        placed(script(tmp_path / "real" / "app.py"), tmp_path / "real", monkeypatch)


def test_a_directory_in_home_is_a_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found = placed(script(tmp_path / "project" / "app.py"), tmp_path / "project", monkeypatch)
    assert found.context == str(tmp_path / "project")


@pytest.mark.parametrize("cwd", [".", ".."])
def test_a_script_below_home_is_not_sent_with_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cwd: str
) -> None:
    home = tmp_path / "home"
    entry = script(home / "project" / "app.py")
    monkeypatch.setenv("HOME", str(home))
    assert placed(entry, home / cwd, monkeypatch) == Placement(
        context=str(home / "project"), command=("python", "-u", "/app/app.py"), workdir="/app"
    )


@pytest.fixture
def link(tmp_path: Path) -> Entry:
    """A script that is a link to one in another directory."""
    write(tmp_path / "project" / "tool.py")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").symlink_to("../project/tool.py")
    return Entry(kind="script", script=str(tmp_path / "bin" / "tool"))


def test_a_link_out_of_the_current_directory_stands_for_its_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: Entry
) -> None:
    assert placed(link, tmp_path / "bin", monkeypatch) == Placement(
        context=str(tmp_path / "project"), command=("python", "-u", "/app/tool.py"), workdir="/app"
    )


def test_a_link_out_of_the_named_context_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: Entry
) -> None:
    with pytest.raises(ContextError, match="is not in the context"):
        placed(link, tmp_path / "bin", monkeypatch, ".")


def test_the_root_is_not_a_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    entry = Entry(kind="script", script="/app.py")
    with pytest.raises(ContextError, match=r"^/ would be sent"):
        placed(entry, Path("/"), monkeypatch)


# The root of a project ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "marker",
    [
        *("pyproject.toml", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml"),
        *("requirements.txt", "setup.py", "setup.cfg", "Pipfile", ".git"),
    ],
)
@pytest.mark.parametrize("cwd", [".", "src", "src/deep", "elsewhere", ".."])
def test_the_nearest_directory_with_a_marker_is_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marker: str, cwd: str
) -> None:
    project = tmp_path / "project"
    write(project / marker)
    (project / "elsewhere").mkdir()
    entry = script(project / "src" / "deep" / "app.py")
    found = placed(entry, (project / cwd).resolve(), monkeypatch)
    assert found.context == str(project)
    assert found.command == ("python", "-u", "/app/src/deep/app.py")
    inside = {".": "/app", "..": "/app"}.get(cwd, f"/app/{cwd}")
    assert found.workdir == inside


def test_a_project_in_a_repository_precedes_the_top_of_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    write(tmp_path / "pyproject.toml")
    write(tmp_path / "services" / "api" / "requirements.txt")
    entry = script(tmp_path / "services" / "api" / "src" / "app.py")
    assert placed(entry, tmp_path, monkeypatch).context == str(tmp_path / "services" / "api")


def test_sibling_directories_never_travel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "neighbour" / "large.bin")
    entry = script(tmp_path / "mine" / "app.py")
    assert placed(entry, tmp_path, monkeypatch).context == str(tmp_path / "mine")


def test_the_search_ends_below_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".git").mkdir()  # of somebody who keeps dot files in a repository
    write(tmp_path / "requirements.txt")
    entry = script(tmp_path / "work" / "app.py")
    assert placed(entry, tmp_path, monkeypatch).context == str(tmp_path / "work")


def test_later_changes_of_directory_do_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "project" / "pyproject.toml")
    write(tmp_path / "project" / "src" / "app.py")
    start = tmp_path / "project"
    entry = Entry(kind="script", script=str(start / "src" / "app.py"), directory=str(start))
    expected = placed(entry, start, monkeypatch)
    assert placed(entry, Path("/"), monkeypatch) == expected
    assert placed(entry, Path("/"), monkeypatch, "src").context == str(start / "src")


@pytest.mark.parametrize("wide", ["/tmp", "/etc", "/var/tmp", "/usr"])
def test_a_system_directory_is_not_a_context(monkeypatch: pytest.MonkeyPatch, wide: str) -> None:
    monkeypatch.setenv("HOME", "/nonexistent/home")
    entry = Entry(kind="script", script=f"{wide}/app.py")
    with pytest.raises(ContextError, match=f"^{wide} would be sent"):
        placed(entry, Path("/"), monkeypatch)


def test_a_script_with_inline_metadata_is_a_separate_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "pyproject.toml")
    path = write(tmp_path / "tools" / "x" / "app.py", "# /// script\n# dependencies = []\n# ///\n")
    entry = Entry(kind="script", script=str(path))
    assert placed(entry, tmp_path, monkeypatch).context == str(tmp_path)
    assert placed(entry, tmp_path / "tools", monkeypatch).context == str(tmp_path / "tools")
    assert placed(entry, tmp_path.parent, monkeypatch).context == str(tmp_path.parent)
    (tmp_path / "aside").mkdir()
    assert placed(entry, tmp_path / "aside", monkeypatch).context == str(path.parent)


@pytest.mark.parametrize(
    ("members", "exclude", "root"),
    [
        ('["packages/*"]', "[]", "."),
        ('["packages/one"]', "[]", "."),
        ('["packages/**"]', "[]", "."),
        ('["packages/*"]', '["packages/one"]', "packages/one"),
        ('["other/*"]', "[]", "packages/one"),
        ('["*"]', "[]", "packages/one"),
    ],
)
def test_a_member_of_a_uv_workspace_has_the_root_of_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, members: str, exclude: str, root: str
) -> None:
    write(
        tmp_path / "pyproject.toml",
        f"[tool.uv.workspace]\nmembers = {members}\nexclude = {exclude}\n",
    )
    write(tmp_path / "packages" / "one" / "pyproject.toml", "[project]\nname = 'one'\n")
    entry = script(tmp_path / "packages" / "one" / "src" / "app.py")
    found = placed(entry, tmp_path, monkeypatch)
    assert found.context == os.path.normpath(tmp_path / root)


@pytest.mark.parametrize("text", ["[tool.uv.workspace", "[tool.uv]\nworkspace = 1\n", "\xff"])
def test_a_damaged_file_above_a_project_is_not_a_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    (tmp_path / "pyproject.toml").write_bytes(text.encode("latin-1") + b" # workspace")
    write(tmp_path / "packages" / "one" / "pyproject.toml", "[project]\nname = 'one'\n")
    entry = script(tmp_path / "packages" / "one" / "app.py")
    assert placed(entry, tmp_path, monkeypatch).context == str(tmp_path / "packages" / "one")
