"""`buildr run` and `buildr build` from the command line to a fake engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from buildr.engines.records import PushRequest
from buildr.errors import BuildError, CommandNotFoundError, EngineUnavailableError
from buildr.host import console
from buildr.plan.containerfile import PIP
from buildr.testing import FakeBackend, FakeContainer, ScriptResult, run_script, using
from tests.unit.command import command_project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DECORATED = """\
from buildr import Containerize

@Containerize(package={"name": "from-the-decorator"}, runtime={"env": {"FROM": "decorator"}})
def main():
    raise SystemExit("this ran on the host")

main()
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return command_project(tmp_path, monkeypatch, "print('this ran on the host')\n")


@pytest.fixture
def engine() -> Iterator[FakeBackend]:
    with using(FakeBackend()) as backend:
        yield backend


def buildr(*words: str, stdin: bytes = b"") -> ScriptResult:
    return run_script("../command/tool.py", *words, stdin=stdin)


# run ----------------------------------------------------------------------------------------------


def test_a_run_passes_streams_arguments_and_status(engine: FakeBackend) -> None:
    def guest(container: FakeContainer) -> int:
        container.stdout.write(container.stdin.read().upper())
        container.stderr.write(b"to stderr")
        return 3

    engine.guest = guest
    result = buildr("run", "-q", "app.py", "--help", "-x", stdin=b"input")
    assert (result.status, result.stdout, result.stderr) == (3, b"INPUT", b"to stderr")
    assert engine.runs[0].argv == ("python", "-u", "/app/app.py", "--help", "-x")


def test_a_module_runs_as_a_module(engine: FakeBackend) -> None:
    assert buildr("run", "-m", "json.tool", "--help").status == 0
    assert engine.runs[0].argv == ("python", "-u", "-m", "json.tool", "--help")


def test_the_decorator_of_a_script_is_read_without_running_the_script(
    engine: FakeBackend, project: Path
) -> None:
    (project / "app.py").write_text(DECORATED)
    result = buildr("run", "app.py")
    assert result.status == 0
    assert b"on the host" not in result.stderr
    assert engine.builds[0].tags == ("localhost/buildr/from-the-decorator:latest",)
    assert engine.runs[0].environment["FROM"] == "decorator"


def test_options_reach_image_and_container(engine: FakeBackend) -> None:
    buildr(
        "run", "--name", "hello", "--py-version", "3.12", "-e", "A=1", "--memory", "1g", "app.py"
    )
    assert engine.builds[0].tags == ("localhost/buildr/hello:latest",)
    assert engine.pulled == ["docker.io/library/python:3.12-alpine"]
    assert engine.runs[0].environment["A"] == "1"
    assert engine.runs[0].spec.memory == 1 << 30


def test_notes_are_repeated_on_a_terminal_when_a_run_of_a_stored_image_fails(
    engine: FakeBackend, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "is_terminal", lambda: True)
    (project / ".env").write_text("A=1\n")
    built = buildr("run", "app.py").stderr.decode()
    assert built.count("nothing is installed") == 1
    assert buildr("run", "app.py").stderr == b""
    engine.guest = lambda _container: 3  # as the script wanted it
    assert buildr("run", "app.py").stderr == b""
    engine.guest = lambda _container: 1
    failed = buildr("run", "app.py").stderr.decode()
    assert failed.startswith("buildr: this was said when the image was built:\n  ")
    assert failed.count("nothing is installed") == 1
    assert ".env" in failed
    assert buildr("run", "-q", "app.py").stderr == b""
    engine.remove_image("localhost/buildr/app:latest")
    assert buildr("run", "--no-cache", "app.py").stderr.decode().count("nothing is installed") == 1
    monkeypatch.setattr(console, "is_terminal", lambda: False)
    assert buildr("run", "app.py").stderr == b""


@pytest.mark.parametrize(
    ("operation", "error", "status"),
    [
        ("build", BuildError("step 3 failed"), 125),
        ("start", CommandNotFoundError("no python"), 127),
    ],
)
def test_a_failure_has_one_message_and_its_status(
    engine: FakeBackend, operation: str, error: BuildError, status: int
) -> None:
    engine.fail(operation, error)  # type: ignore[arg-type] # the name of a fault
    result = buildr("run", "-q", "app.py")
    assert (result.status, result.stderr) == (status, f"buildr: error: {error.what}\n".encode())


def test_verbose_shows_the_steps_of_a_build(engine: FakeBackend) -> None:
    assert b"buildr: step " in buildr("run", "--verbose", "app.py").stderr
    assert engine.builds


def test_the_flag_chooses_the_engine_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILDR_BACKEND", "podman")
    docker = FakeBackend()
    with using({"docker": docker, "podman": EngineUnavailableError("asleep")}):
        assert buildr("run", "--backend", "docker", "app.py").status == 0
    assert len(docker.runs) == 1


# Inside a container -------------------------------------------------------------------------------


def inside(project: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BUILDR_")}
    return subprocess.run(
        [sys.executable, "-m", "buildr", *words],
        cwd=project,
        env={**kept, **environ},
        capture_output=True,
        check=False,
    )


def test_inside_a_container_the_script_runs_directly(project: Path) -> None:
    (project / "app.py").write_text("import sys\nprint(sys.argv)\nsys.exit(4)\n")
    done = inside(project, "run", "--name", "x", "app.py", "--help", BUILDR_IN_CONTAINER="true")
    assert done.returncode == 4
    assert done.stdout.decode() == f"{[str(project / 'app.py'), '--help']}\n"
    assert done.stderr.decode() == (
        "buildr: this is already a container (BUILDR_IN_CONTAINER=true), so the script runs here\n"
    )


def test_inside_a_container_a_module_runs_directly(project: Path) -> None:
    (project / "tool.py").write_text("import sys\nprint(__name__, sys.argv[1:])\n")
    done = inside(project, "run", "-m", "tool", "-q", METAPARTICLE_IN_CONTAINER="1")
    assert done.stdout == b"__main__ ['-q']\n"


def test_inside_a_container_an_invalid_option_is_still_an_error(project: Path) -> None:
    done = inside(project, "run", "--cpus", "x", "app.py", BUILDR_IN_CONTAINER="true")
    assert (done.returncode, done.stdout) == (2, b"")


# build --------------------------------------------------------------------------------------------


def test_a_build_prints_name_and_id(engine: FakeBackend) -> None:
    result = buildr("build", "app.py")
    name, identity = result.stdout.decode().split()
    assert (result.status, name) == (0, "localhost/buildr/app:latest")
    stored = engine.image(name)
    assert stored is not None
    assert stored.id == identity
    assert engine.runs == []
    assert engine.closed


def test_a_quiet_build_prints_only_the_id(engine: FakeBackend) -> None:
    result = buildr("build", "--quiet", "app.py")
    assert result.stdout.decode().strip() in {image.id for image in engine.images({})}
    assert result.stderr == b""


def test_a_build_is_described_as_json(engine: FakeBackend) -> None:
    found = json.loads(buildr("build", "--json", "app.py").stdout)
    assert engine.image("localhost/buildr/app:latest") is not None
    assert found["reference"] == "localhost/buildr/app:latest"
    assert found["id"] in {image.id for image in engine.images({})}
    assert found["digest"] is None
    assert found["seconds"] >= 0
    assert list(found) == ["id", "digest", "reference", "layers", "seconds"]


def test_a_push_is_described_with_its_digest(
    engine: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = f"sha256:{64 * 'a'}"
    monkeypatch.setattr(engine, "push", lambda _request, _on_event: digest)
    words = ("--json", "--repository", "registry.example.org/me", "app.py")
    for found in (buildr("push", *words), buildr("build", "--push", *words)):
        document = json.loads(found.stdout)
        assert document["reference"] == "registry.example.org/me/app:latest"
        assert document["digest"] == digest


def test_two_documents_do_not_share_standard_output(engine: FakeBackend) -> None:
    result = buildr("build", "--json", "--sbom", "-", "app.py")
    assert result.status == 2
    assert not engine.builds


def test_a_stored_image_is_only_rebuilt_on_request(engine: FakeBackend) -> None:
    # One for the image, and one for its labels.
    for words, builds in (((), 2), ((), 2), (("--no-cache",), 4)):
        assert buildr("build", *words, "app.py").status == 0
        assert len(engine.builds) == builds
    assert not engine.builds[2].cache


def test_the_name_moves_back_with_the_source(engine: FakeBackend, project: Path) -> None:
    first = buildr("build", "app.py").stdout
    (project / "app.py").write_text("print('another')\n")
    assert buildr("build", "app.py").stdout != first
    (project / "app.py").write_text("print('this ran on the host')\n")
    name, identity = buildr("build", "app.py").stdout.decode().split()
    assert f"{name} {identity}\n".encode() == first
    stored = engine.image(name)
    assert stored is not None
    assert stored.id == identity


def test_a_build_pushes_on_request(engine: FakeBackend) -> None:
    result = buildr("build", "--push", "--repository", "registry.example.org/me", "app.py")
    identity = result.stdout.decode().split()[1]
    assert result.status == 0
    expected = PushRequest(image=identity, reference="registry.example.org/me/app:latest")
    assert engine.pushed == [expected]


def test_push_builds_and_publishes_under_the_repository(engine: FakeBackend, project: Path) -> None:
    (project / "pyproject.toml").write_text(
        '[tool.buildr.package]\nrepository = "registry.example.org/me"\ntag = "v1"\n'
    )
    result = buildr("push", "app.py")
    assert (result.status, result.stdout) == (0, b"registry.example.org/me/app:v1\n")
    assert [push.reference for push in engine.pushed] == ["registry.example.org/me/app:v1"]
    assert not engine.runs


def test_push_needs_a_repository(engine: FakeBackend) -> None:
    result = buildr("push", "app.py")
    assert result.status == 2
    assert b"error: a push needs a repository to push to\nName it: --repository" in result.stderr
    assert not engine.builds


def test_a_failed_build_prints_nothing_on_standard_output(engine: FakeBackend) -> None:
    engine.fail("build", BuildError("step 3 failed"))
    result = buildr("build", "app.py")
    assert (result.status, result.stdout) == (125, b"")


def test_a_build_works_inside_a_container(monkeypatch: pytest.MonkeyPatch) -> None:
    with using(FakeBackend()) as engine:
        monkeypatch.setenv("BUILDR_IN_CONTAINER", "true")
        assert buildr("build", "app.py").status == 0
    assert engine.builds


# Advice -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("log", "flags", "options"),
    [
        (
            "Error: pg_config executable not found.",
            "--system-package gcc --system-package libc6-dev --system-package libpq-dev",
            'package={"system_packages": ["gcc", "libc6-dev", "libpq-dev"]}',
        ),
        (
            "/bin/sh: 1: mysql_config: not found",
            "--system-package default-libmysqlclient-dev",
            '"default-libmysqlclient-dev", "pkg-config"]}',
        ),
        (
            "error: command 'gcc' failed: No such file or directory",
            "--system-package gcc --system-package libc6-dev",
            'package={"system_packages": ["gcc", "libc6-dev"]}',
        ),
        (
            "error: cargo: command not found",
            "--system-package cargo",
            'package={"system_packages": ["cargo"]}',
        ),
    ],
)
def test_advice_is_in_the_terms_of_the_command_line_or_of_the_decorator(
    engine: FakeBackend, project: Path, log: str, flags: str, options: str
) -> None:
    (project / "requirements.txt").write_text("psycopg2\n")
    error = BuildError("step 5 failed", step=f"RUN {PIP} -r x", hint=log)
    engine.fail("build", error, times=None)
    said = buildr("run", "--variant", "slim", "app.py").stderr.decode()
    assert flags in said
    assert "package={" not in said
    (project / "app.py").write_text(
        "from buildr import Containerize\n"
        '@Containerize(package={"variant": "slim"})\ndef main(): ...\nmain()\n'
    )
    said = run_script("app.py").stderr.decode()
    assert options in said
    assert "--system-package" not in said
