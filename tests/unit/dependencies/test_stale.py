"""Notes about outdated locks and ignored metadata."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildr.dependencies import ProjectFiles, find_dependencies

PROJECT = """\
[project]
name = "demo"
version = "1"
dependencies = ["idna", "Rich>=13", "pywin32; sys_platform == 'win32'", "buildr-oci"]
"""
POETRY = """\
[tool.poetry.dependencies]
python = "^3.11"
idna = "*"
Rich = { version = ">=13", extras = ["x"] }
pywin32 = { version = "*", platform = "win32" }
twice = [{ version = "1", python = "<3.12" }, { version = "2", python = ">=3.12" }]
"""
PIPFILE = """\
[packages]
idna = "*"
Rich = ">=13"
pywin32 = { version = "*", sys_platform = "== 'win32'" }
"""
UV_LOCK = """\
version = 1
requires-python = ">=3.11"

[[package]]
name = "demo"
version = "1"
source = { virtual = "." }
"""
POETRY_LOCK = '[metadata]\nlock-version = "2.1"\n'
PIPFILE_LOCK = '{"_meta": {"pipfile-spec": 6}, "default": {\n    %s\n}}'
IDNA = """\
[[package]]
name = "idna"
version = "3.4"
groups = ["main", "default"]
files = [{file = "idna-3.4.tar.gz", hash = "sha256:HASH"}]
""".replace("HASH", "0" * 64)


@pytest.mark.parametrize(
    ("file", "text", "lock", "locked", "command"),
    [
        ("pyproject.toml", PROJECT, "uv.lock", UV_LOCK, "uv lock"),
        ("pyproject.toml", POETRY, "poetry.lock", IDNA + POETRY_LOCK, "poetry lock"),
        ("pyproject.toml", PROJECT, "poetry.lock", IDNA + POETRY_LOCK, "poetry lock"),
        ("Pipfile", PIPFILE, "Pipfile.lock", PIPFILE_LOCK % '"idna": {"version": "==3.4"}', "pipenv lock"),
    ],
)  # fmt: skip
def test_a_package_missing_from_the_lock_is_named(
    tmp_path: Path, file: str, text: str, lock: str, locked: str, command: str
) -> None:
    (tmp_path / file).write_text(text)
    (tmp_path / lock).write_text(locked)
    found = find_dependencies(ProjectFiles(context=tmp_path))
    assert found is not None
    names = "idna, Rich" if lock == "uv.lock" else "Rich"
    assert (
        found.notes[-1] == f"{lock} does not match {file}, which also names {names}; run: {command}"
    )


def test_a_complete_lock_is_not_mentioned(tmp_path: Path) -> None:
    (tmp_path / "Pipfile").write_text(PIPFILE)
    both = '"idna": {"version": "==3.4"},\n    "rich": {"version": "==13"}'
    (tmp_path / "Pipfile.lock").write_text(PIPFILE_LOCK % both)
    found = find_dependencies(ProjectFiles(context=tmp_path))
    assert found is not None
    assert not [note for note in found.notes if "does not match" in note]


INLINE = '# /// script\n# dependencies = ["rich"]\n# ///\n'


def test_ignored_inline_metadata_is_reported(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("idna\n")
    (tmp_path / "app.py").write_text(INLINE)
    project = ProjectFiles(context=tmp_path, script=Path("app.py"))
    found = find_dependencies(project)
    assert found is not None
    (note,) = found.notes
    assert note == (
        "the dependencies in the inline metadata of app.py are not read: requirements.txt comes first;"
        " --dependencies-file app.py names them"
    )


@pytest.mark.parametrize("script", ["print(1)\n", "# /// script\n# dependencies = []\n# ///\n"])
def test_a_script_without_metadata_is_not_mentioned(tmp_path: Path, script: str) -> None:
    (tmp_path / "requirements.txt").write_text("idna\n")
    (tmp_path / "app.py").write_text(script)
    found = find_dependencies(ProjectFiles(context=tmp_path, script=Path("app.py")))
    assert found is not None
    assert found.notes == ()
