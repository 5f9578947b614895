"""Files of variables: what they may say, and which name of which place holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildr.config.project_file import read_project_file
from buildr.errors import ContainerError, OptionError
from buildr.options import runtime_options
from buildr.plan.env_files import read_env_files
from buildr.testing import FakeBackend, run_script, using

SCRIPT = """\
from buildr import Containerize
@Containerize(runtime={runtime})
def main(): ...
main()
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(text: str) -> dict[str, str | None]:
    Path(".env").write_text(text)
    return read_env_files([".env"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A=1\nB = two\n", {"A": "1", "B": "two"}),
        ("# comment\n\nexport A='two words' # another\n", {"A": "two words"}),
        ("A=\"line\\nbreak\"\nB='raw\\n'\n", {"A": "line\nbreak", "B": "raw\\n"}),
        ("A=$HOME\nB=${A}\n", {"A": "$HOME", "B": "${A}"}),
        ("A='over\nlines'\n", {"A": "over\nlines"}),
        ("A=\nHOST\n", {"A": "", "HOST": None}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("", {}),
    ],
)
def test_a_file_is_read_like_python_dotenv_does(text: str, found: dict[str, str | None]) -> None:
    assert read(text) == found


def test_the_later_of_two_files_wins(project: Path) -> None:
    (project / "a").write_text("A=1\nB=1\n")
    (project / "b").write_text("B=2\n")
    assert read_env_files(["a", "b"]) == {"A": "1", "B": "2"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("A=1\n= hunter2\n", ".env, line 2 is not a variable"),
        ("A='hunter2\n", ".env, line 1 is not a variable"),
        ("BUILDR_IN_CONTAINER=0\n", ".env, line 1 cannot be 'BUILDR_IN_CONTAINER': it is reserved"),
        (
            "A=hunter2\0\n",
            ".env, line 1['A'] cannot be a value of type str: it contains a NUL character",
        ),
    ],
)
def test_an_invalid_line_is_an_error_without_its_value(text: str, problem: str) -> None:
    with pytest.raises(ContainerError) as caught:
        read(text)
    assert caught.value.what.startswith(problem)
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_is_named(project: Path) -> None:
    with pytest.raises(ContainerError, match=r"the env_file \.env cannot be read: No such file"):
        read_env_files([".env"])
    (project / ".env").write_bytes(b"A=\xff\n")
    with pytest.raises(ContainerError, match=r"\.env is not UTF-8"):
        read_env_files([".env"])


def test_env_precedes_the_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "of the host")
    (project / ".env").write_text("A=file\nB=file\nHOST\n")
    runtime = {"env": {"B": "option"}, "env_file": ".env"}
    (project / "app.py").write_text(SCRIPT.format(runtime=runtime))
    with using(FakeBackend()) as engine:
        assert run_script("app.py").status == 0
    found = engine.runs[0].spec.environment
    assert {name: found[name] for name in ("A", "B", "HOST")} == {
        "A": "file",
        "B": "option",
        "HOST": "of the host",
    }


@pytest.mark.parametrize("given", [".env", Path(".env"), [".env"], (Path(".env"),)])
def test_the_option_is_one_path_or_several(given: object) -> None:
    assert runtime_options({"env_file": given}).env_file == (".env",)


@pytest.mark.parametrize("given", [1, "", [""], [1], {"a": "b"}])
def test_another_value_is_refused(given: object) -> None:
    with pytest.raises(OptionError, match=r"^runtime\.env_file"):
        runtime_options({"env_file": given})


def test_a_path_in_pyproject_is_relative_to_it(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.buildr.runtime]\nenv_file = ['.env', '/x']\n")
    layer = read_project_file(str(project))
    assert layer is not None
    assert layer.runtime == {"env_file": (f"{project}/.env", "/x")}


def test_a_byte_order_mark_is_not_part_of_the_first_name() -> None:
    Path(".env").write_text("A=1\nB=2\n", encoding="utf-8-sig")
    assert read_env_files([".env"]) == {"A": "1", "B": "2"}


def test_a_path_is_relative_to_the_given_directory(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / ".env").write_text("A=1\n")
    assert read_env_files([".env"], str(tmp_path / "there")) == {"A": "1"}
