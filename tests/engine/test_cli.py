"""The command `buildr` on real engines."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.engine.harness import give

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

SCRIPT = """\
import json, os, sys
print(json.dumps([__name__, os.path.basename(sys.argv[0]), sys.argv[1:], sys.stdin.read(), os.environ.get("MODE")]))
print("to stderr", file=sys.stderr)
sys.exit(3)
"""


def buildr(
    engine: Engine,
    cwd: Path,
    *words: str,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    return engine.python("-m", "buildr", *words, cwd=cwd, stdin=stdin, env=env)


@pytest.fixture
def plain(engine: Engine, project: Path) -> Path:
    """A project with a script and a package that do not import Buildr."""
    (project / "app.py").write_text(SCRIPT)
    (project / "pkg").mkdir()
    (project / "pkg" / "__init__.py").touch()
    (project / "pkg" / "tool.py").write_text(SCRIPT)
    give(engine, project)
    return project


def test_a_script_without_buildr_runs(engine: Engine, plain: Path) -> None:
    words = ("--help", "-x", "--", "-m", "a b", "$HOME", "ü", "")
    done = buildr(engine, plain, "run", "-q", "-e", "MODE=test", "app.py", *words, stdin=b"piped")
    assert json.loads(done.stdout) == ["__main__", "app.py", list(words), "piped", "test"]
    assert done.stderr == b"to stderr\n"
    assert done.returncode == 3


def test_a_module_of_the_project_runs(engine: Engine, plain: Path) -> None:
    done = buildr(engine, plain, "run", "-qm", "pkg.tool", "--help", "-q", stdin=b"piped")
    assert json.loads(done.stdout) == ["__main__", "tool.py", ["--help", "-q"], "piped", None]
    assert done.returncode == 3


def test_a_module_of_the_image_runs(engine: Engine, plain: Path) -> None:
    done = buildr(engine, plain, "run", "-q", "-m", "json.tool", "--compact", stdin=b'{"a": 1}')
    assert (done.returncode, done.stdout) == (0, b'{"a":1}\n')


def test_mounted_files_are_kept(engine: Engine, project: Path) -> None:
    (project / "app.py").write_text("open('/data/out', 'w').write(open('/data/in').read())\n")
    (project / "data").mkdir()
    (project / "data" / "in").write_text("kept")
    give(engine, project)
    done = buildr(engine, project, "run", "-v", "./data:/data", "app.py")
    assert done.returncode == 0, done.stderr.decode()
    assert (project / "data" / "out").read_text() == "kept"
    assert (project / "data" / "out").stat().st_uid == engine.uid


def test_a_build_prints_the_stored_image(engine: Engine, plain: Path) -> None:
    done = buildr(engine, plain, "build", "--name", "cli-build", "app.py")
    name, identity = done.stdout.decode().split()
    assert name == "localhost/buildr/cli-build:latest"
    stored = engine.cli("image", "inspect", "--format", "{{.Id}}", name).strip()
    assert stored.removeprefix("sha256:") == identity.removeprefix("sha256:")
    assert b"to stderr" not in done.stderr
    again = buildr(engine, plain, "build", "--name", "cli-build", "-q", "app.py")
    assert again.stdout.decode().split() == [identity]


def instructions(containerfile: str) -> list[str]:
    """Return the instructions of a Containerfile, one line each, with normalized white space."""
    text = re.sub(r"^#.*\n", "", containerfile, flags=re.MULTILINE).replace("\\\n", " ")
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_the_printed_containerfile_is_the_built_one(engine: Engine, plain: Path) -> None:
    (plain / "requirements.txt").write_text("# nothing to install\n")
    (plain / "extra.txt").write_text("extra")
    give(engine, plain)
    options = ("--additional-file", "extra.txt:/srv/extra.txt:0440", "app.py")
    printed = buildr(engine, plain, "containerfile", *options).stdout.decode()
    built = buildr(engine, plain, "build", "--no-cache", "--verbose", *options)
    assert built.returncode == 0, built.stderr.decode()
    steps = re.findall(r"^buildr: step \d+/\d+ (.*)$", built.stderr.decode(), flags=re.MULTILINE)
    assert [" ".join(step.split()) for step in steps] == instructions(printed)
    assert len(steps) > 8


def test_the_printed_containerfile_passes_hadolint(engine: Engine, plain: Path) -> None:
    printed = buildr(engine, plain, "containerfile", "-q", "app.py").stdout
    done = subprocess.run(
        [f"{sys.prefix}/bin/hadolint", "-"], input=printed, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"")


def test_doctor_finds_the_engine(engine: Engine, project: Path) -> None:
    done = buildr(engine, project, "doctor")
    assert done.returncode == 0, done.stdout.decode()
    text = done.stdout.decode()
    kind = "rootless" if engine.name == "podman-rootless" else "rootful"
    assert re.search(rf"^ok    engine +{engine.backend} [\d.]+\S*, {kind};", text, re.MULTILINE)
    assert f"by {engine.backend}" in text.splitlines()[-1]
    assert "is stored" in " ".join(text.split())
    assert "fail" not in text
    assert done.stderr == b""


def test_the_json_output_of_doctor_says_the_same(engine: Engine, project: Path) -> None:
    found = json.loads(buildr(engine, project, "doctor", "--json").stdout)
    assert (found["usable"], found["engine"]) == (True, engine.backend)
    checks = {check["name"]: check for check in found["checks"]}
    assert checks["storage"]["status"] == "ok"
    assert ("subordinate ids" in checks) == (engine.user is not None)


def test_doctor_reports_that_there_is_no_engine(engine: Engine, project: Path) -> None:
    nowhere = f"unix://{project}/no.sock"
    env = {"CONTAINER_HOST": nowhere, "DOCKER_HOST": nowhere, "BUILDR_BACKEND": "auto"}
    done = buildr(engine, project, "doctor", env=env)
    assert done.returncode == 1
    text = done.stdout.decode()
    assert re.search(r"^fail  engine +no engine can be used$", text, re.MULTILINE)
    assert text.splitlines()[-1].startswith("Scripts cannot run")
    assert b"Traceback" not in done.stderr


def test_a_run_without_an_engine_says_what_was_tried(engine: Engine, plain: Path) -> None:
    nowhere = f"unix://{plain}/no.sock"
    env = {"CONTAINER_HOST": nowhere, "DOCKER_HOST": nowhere, "BUILDR_BACKEND": "auto"}
    done = buildr(engine, plain, "run", "app.py", env=env)
    assert (done.returncode, done.stdout) == (125, b"")
    assert done.stderr.startswith(b"buildr: error: no container engine can be used")
    assert nowhere.encode() in done.stderr


def test_the_command_is_installed_in_the_test_environment(engine: Engine, project: Path) -> None:
    command = engine.run(f"{sys.prefix}/bin/buildr", "--version", cwd=project)
    assert command.stdout.startswith(b"buildr ")
