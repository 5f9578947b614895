"""Every command treats a decorated script the same: the same image, options and errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from buildr.testing import FakeBackend, ScriptResult, run_script, using
from tests.unit.command import command_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DECORATED = """\
from buildr import Containerize

BASE = {"repository": "registry.example/me", "name": "hello", "dependencies": ["six==1.16.0"]}

@Containerize(package={**BASE, "tag": f"v{1}"}, runtime={"ports": [8080], "env": {"FROM": "decorator"}, "cpus": 2})
def main():
    raise SystemExit("this ran on the host")

if __name__ == "__main__":
    main()
"""
TWO = """\
from buildr import Containerize

@Containerize(package={"name": "first"})
def first(): ...

@Containerize(package={"name": "second"})
def second(): ...
"""
REFERENCE = "registry.example/me/hello:v1"
COMMANDS = ("run", "build", "push", "shell", "containerfile", "config", "quadlet", "eject")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return command_project(tmp_path, monkeypatch, DECORATED)


@pytest.fixture
def engine() -> Iterator[FakeBackend]:
    with using(FakeBackend()) as backend:
        yield backend


def buildr(*words: str) -> ScriptResult:
    """Run a command, with the required option of ``eject``."""
    more = ("-o", "../ejected", "--force") if words[0] == "eject" else ()
    return run_script("../command/tool.py", words[0], *more, *words[1:])


@pytest.mark.parametrize(
    "words",
    [
        ("run", "app.py"),
        ("run", "--detach", "app.py"),
        ("run", "--debug", "7000", "app.py"),
        ("run", "--live", "app.py"),
        ("run", "-m", "app"),
        ("shell", "app.py", "-c", "true"),
        ("build", "app.py"),
        ("push", "app.py"),
    ],
)
def test_a_command_uses_the_decorator_s_options(
    engine: FakeBackend, words: tuple[str, ...]
) -> None:
    result = buildr(*words)
    assert result.status == 0, result.stderr
    assert engine.builds[0].tags == (REFERENCE,)
    assert any(b"six==1.16.0" in file.data for file in engine.builds[0].files.values())
    for container in engine.runs:
        assert container.environment["FROM"] == "decorator"
        assert container.spec.cpus == 2
        assert 8080 in [port.container for port in container.spec.ports]
    assert bool(engine.runs) is (words[0] in ("run", "shell"))


def test_all_commands_build_the_same_image(engine: FakeBackend) -> None:
    assert run_script("app.py").status == 0
    image = engine.image(REFERENCE)
    assert image is not None
    assert buildr("run", "app.py").status == 0
    assert len(engine.builds) == 1
    assert {run.spec.image for run in engine.runs} == {image.id}

    assert buildr("build", "app.py").status == 0
    finished = engine.image(REFERENCE)
    assert finished is not None
    assert replace(finished, id="", labels={}, tags=()) == replace(image, id="", labels={}, tags=())
    runs = len(engine.runs)
    for words in (("run",), ("build",), ("push",), ("shell", "-c", "true"), ("run", "-q")):
        assert buildr(*words, "app.py").status == 0
    assert run_script("app.py").status == 0
    assert len(engine.builds) == 2
    assert engine.image(REFERENCE) == finished
    assert {run.spec.image for run in engine.runs[runs:]} == {finished.id}


def test_a_flag_precedes_the_decorator(engine: FakeBackend) -> None:
    assert buildr("run", "--tag", "mine", "-e", "FROM=flag", "app.py").status == 0
    assert engine.builds[0].tags == ("registry.example/me/hello:mine",)
    assert engine.runs[0].environment["FROM"] == "flag"


def test_generated_files_have_the_decorator_s_options(engine: FakeBackend, project: Path) -> None:
    assert b"dependencies from package.dependencies" in buildr("containerfile", "app.py").stderr
    assert REFERENCE.encode() in buildr("eject", "app.py").stdout
    requirements = project.parent / "ejected" / "dependencies"
    assert any("six==1.16.0" in path.read_text() for path in requirements.iterdir())
    assert f"Image={REFERENCE}".encode() in buildr("quadlet", "app.py").stdout
    assert b'"v1"' in buildr("config", "app.py").stdout
    assert engine.builds == []


@pytest.mark.parametrize("command", COMMANDS)
def test_one_of_several_decorated_functions_can_be_named(
    engine: FakeBackend, project: Path, command: str
) -> None:
    (project / "app.py").write_text(TWO)
    words = ("--repository", "registry.example/me") if command == "push" else ()
    refused = buildr(command, *words, "app.py")
    assert refused.status == 125
    assert b"Name one: --function first." in refused.stderr
    named = buildr(command, *words, "--function", "second", "app.py")
    assert named.status == 0, named.stderr
    for build in engine.builds:
        assert "/second:" in build.tags[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unreadable_option_is_reported_in_one_line(
    engine: FakeBackend, project: Path, command: str
) -> None:
    assert engine.builds == []
    text = DECORATED.replace('f"v{1}"', "make_tag()")
    (project / "app.py").write_text(text)
    line = (
        b"buildr: app.py:5: package.tag is computed when the script runs, so it is not known here\n"
    )
    result = buildr(command, "app.py")
    assert result.status == 0, result.stderr
    assert result.stderr.count(line) == 1
    if command != "config":
        assert line not in buildr(command, "-q", "app.py").stderr


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (DECORATED.replace("def main():", "def main(:"), b"error: app.py:6: invalid syntax\n"),
        (
            DECORATED.replace('"tag":', '"tga":'),
            b"error: app.py:5: package.tga is not an option; did you mean 'tag'?",
        ),
        (
            DECORATED.replace('"cpus": 2', '"cpus": "x"'),
            b"error: app.py:5: runtime.cpus cannot be 'x'",
        ),
    ],
)
def test_an_error_in_the_decorator_is_reported_with_its_line(
    engine: FakeBackend, project: Path, command: str, text: str, problem: bytes
) -> None:
    (project / "app.py").write_text(text)
    result = buildr(command, "app.py")
    assert result.status == 125
    assert problem in result.stderr
    assert engine.builds == []


def test_a_shell_ignores_detach_and_debug_of_the_decorator(
    engine: FakeBackend, project: Path
) -> None:
    (project / "app.py").write_text(
        DECORATED.replace(
            '"cpus": 2', '"cpus": 2, "detach": True, "debug": 7000, "restart": "always"'
        )
    )
    result = buildr("shell", "app.py", "-c", "true")
    assert result.status == 0, result.stderr
    assert engine.runs[0].argv == ("sh", "-c", "true")
    assert engine.runs[0].removed


def test_push_uses_the_decorator_s_repository(engine: FakeBackend) -> None:
    result = buildr("push", "app.py")
    assert (result.status, result.stdout) == (0, f"{REFERENCE}\n".encode())
    assert [push.reference for push in engine.pushed] == [REFERENCE]


def test_the_user_s_own_containerfile_is_printed(engine: FakeBackend, project: Path) -> None:
    assert engine.builds == []
    (project / "Dockerfile").write_text("FROM mine\n")
    (project / "app.py").write_text(
        "from buildr import Containerize\n@Containerize(package={'dockerfile': 'Dockerfile'})\ndef f(): ...\n"
    )
    assert buildr("containerfile", "app.py").stdout == b"FROM mine\n"


def test_the_decorator_of_a_module_is_read_too(engine: FakeBackend, project: Path) -> None:
    (project / "pkg").mkdir()
    (project / "pkg" / "__init__.py").touch()
    (project / "pkg" / "cli.py").write_text(DECORATED)
    (project / "pkg" / "__main__.py").write_text("from pkg.cli import main\n\nmain()\n")
    for module in ("pkg.cli", "pkg"):
        assert buildr("build", "-m", module).status == 0
    assert sum(build.tags == (REFERENCE,) for build in engine.builds) == 2
