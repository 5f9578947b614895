"""Two builds give the same image on one engine and the same layers on all; the image says of what it was made."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.harness import give
from tests.engine.images import Site, files_of, inspect, site

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.harness import Engine

pytestmark = pytest.mark.usefixtures("nothing_left_behind")

LOCK = (
    "iniconfig==2.0.0"
    " --hash=sha256:b6a85871a79d2e3b22d2d1b94ac2824226a63c6b741c88f7ae975f18b6778374\n"
    "packaging==24.2"
    " --hash=sha256:09abb1bccd265c01f4a3aa3f7a7db064b36514d2cba19a2f694fe6150451a759\n"
)
DATE = 1_700_000_000
PREFIX = "org.opencontainers.image."
URL = "https://git.example.org/team/app.git"


@pytest.fixture
def project(engine: Engine) -> Iterator[Site]:
    yield from site(engine)


def write(project: Site) -> None:
    project.write({"requirements.txt": LOCK, "data/file": "content\n", "module.py": "X = 1\n"})
    project.script("print('hello')")


def build(project: Site, *words: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    return project.run(
        *("-m", "buildr", "build", *words, "--name", project.name, "app.py"), env=env
    )


def built(project: Site, *words: str, **env: str) -> dict[str, Any]:
    """Build, and return what the engine knows of the image."""
    done = build(project, *words, **env)
    assert done.returncode == 0, done.stderr.decode()
    return inspect(project.engine, project.reference)


def commit(directory: Path, engine: Engine, *, time: int = DATE) -> str:
    """Make the project a repository with one more commit; return the commit."""
    date = {"GIT_AUTHOR_DATE": f"{time} +0000", "GIT_COMMITTER_DATE": f"{time} +0000"}
    who = ("-c", "user.name=A", "-c", "user.email=a@b")
    remote = ("remote", "add", "origin", URL.replace("https://", "https://me:secret@"))
    give(engine, directory)
    commands: list[tuple[str, ...]] = [
        ("add", "--all"),
        (*who, "commit", "--quiet", "--allow-empty", "--message", "x"),
    ]
    if not (directory / ".git").exists():
        commands = [("init", "--quiet"), remote, *commands]
    for words in commands:
        done = engine.run("git", *words, cwd=directory, env=date)
        assert done.returncode == 0, done.stderr.decode()
    return engine.run("git", "rev-parse", "HEAD", cwd=directory).stdout.decode().strip()


def test_two_clean_builds_are_the_same_image(project: Site) -> None:
    write(project)
    done = build(project, "--check-reproducible")
    assert done.returncode == 0, done.stderr.decode()
    assert "buildr: reproducible: two builds gave the same image" in done.stderr.decode()
    first = inspect(project.engine, project.reference)
    # As on a host that has never built it, and with the files written at another time.
    project.remove()
    shutil.copytree(project.directory, project.directory.parent / "copy")
    shutil.rmtree(project.directory)
    shutil.copytree(project.directory.parent / "copy", project.directory, copy_function=shutil.copy)
    project.own()
    again = built(project, "--no-cache")
    assert again["Id"] == first["Id"]
    assert again["RootFS"] == first["RootFS"]
    assert (project.run().stdout, project.run().returncode) == (b"hello\n", 0)


def test_additional_files_are_there_wherever_they_were_put(project: Site) -> None:
    write(project)
    places = ("/tmp/file", "/run/file", "/var/log/apt/file", "/etc/machine-id", "/app/more")
    files = [{"src": "data/file", "dest": place, "mode": "0644"} for place in places]
    project.script(
        f"print([open(path).read() for path in {places!r}])", package={"additional_files": files}
    )
    done = build(project, "--check-reproducible")
    assert done.returncode == 0, done.stderr.decode()
    found = files_of(project.engine, project.reference)
    assert {found[place].mode for place in places} == {0o644}
    assert {found[place].owner for place in places} == {"1000:0"}
    ran = project.run()
    assert ran.stdout.decode() == f"{['content' + chr(10)] * len(places)}\n", ran.stderr.decode()


def test_what_differs_is_named(project: Site) -> None:
    write(project)
    project.write(
        {
            "lib/pyproject.toml": '[project]\nname = "lib"\nversion = "1"\n'
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
            "lib/backend.py": "import os, zipfile\n"
            "def build_wheel(folder, *_):\n"
            "    name = 'lib-1-py3-none-any.whl'\n"
            "    with zipfile.ZipFile(os.path.join(folder, name), 'w') as wheel:\n"
            "        wheel.writestr('lib.py', repr(os.urandom(9)))\n"
            "        wheel.writestr('lib-1.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: lib\\nVersion: 1\\n')\n"
            "        wheel.writestr('lib-1.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
            "        wheel.writestr('lib-1.dist-info/RECORD', '')\n"
            "    return name\n",
            "requirements.txt": "./lib\n",
        }
    )
    done = build(project, "--check-reproducible")
    said = done.stderr.decode()
    assert done.returncode == 1, said
    assert f"two builds of {project.reference} differ in:" in said
    assert "/lib.py: content" in said
    assert "METADATA" not in said


def test_bytecode_of_what_was_installed_is_valid(project: Site) -> None:
    write(project)
    project.script(
        "import iniconfig, os\n"
        "source = iniconfig.__file__\n"
        "with open(importlib.util.cache_from_source(source), 'rb') as file:\n"
        "    head = file.read(16)\n"
        "print(int.from_bytes(head[8:12], 'little') == int(os.stat(source).st_mtime), head[4:8] == bytes(4))\n",
        imports="import importlib.util",
    )
    built(project)
    done = project.run()
    assert (done.returncode, done.stdout) == (0, b"True True\n"), done.stderr.decode()


def test_logs_and_times_of_the_build_are_not_in_the_image(project: Site) -> None:
    write(project)
    built(project)
    files = files_of(project.engine, project.reference)
    assert any(path.endswith("iniconfig/__init__.py") for path in files)
    assert not any(path.startswith(("/var/log", "/root/.cache")) for path in files)
    assert max(file.time for file in files.values()) < 1_420_000_000


def test_another_commit_changes_labels_and_no_layer_and_what_runs_is_built_once(
    project: Site,
) -> None:
    write(project)
    first = commit(project.directory, project.engine)
    ran = project.run()
    assert (ran.returncode, ran.stdout) == (0, b"hello\n"), ran.stderr.decode()
    one = built(project)
    assert of_commit(first, DATE).items() <= one["Config"]["Labels"].items()
    second = commit(project.directory, project.engine, time=DATE + 100)
    other = built(project)
    assert of_commit(second, DATE + 100).items() <= other["Config"]["Labels"].items()
    assert other["RootFS"] == one["RootFS"]
    assert built(project)["Id"] == other["Id"]
    again = project.run()
    assert (again.returncode, again.stdout) == (0, b"hello\n"), again.stderr.decode()
    assert b"building" not in again.stderr
    assert inspect(project.engine, project.reference)["Id"] == other["Id"]


def of_commit(revision: str, time: int) -> dict[str, str]:
    created = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = {"source": URL, "revision": revision, "created": created}
    return {f"{PREFIX}{name}": text for name, text in found.items()}


def test_the_variable_gives_the_date_and_a_wrong_one_is_an_error(project: Site) -> None:
    write(project)
    image = built(project, SOURCE_DATE_EPOCH="1000000000")
    assert image["Created"].startswith("2001-09-09T01:46:40")
    done = build(project, "--no-cache", SOURCE_DATE_EPOCH="yesterday")
    assert done.returncode == 125
    assert "SOURCE_DATE_EPOCH is 'yesterday'" in done.stderr.decode()
