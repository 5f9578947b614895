"""Projects of other authors run unchanged with ``buildr run``.

pip downloads their source distributions by name and version from its configured index, and caches them; this repository
has no copy. ``--no-build-isolation`` uses the build backends of the test environment, since pip reads the metadata of a
source distribution even for a mere download.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.engine.images import Site
from tests.engine.images import site as make_site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.harness import Engine

# The two kinds of engine. Rootful Podman would show nothing new here, and takes more time.
pytestmark = pytest.mark.parametrize("engine", ["podman-rootless", "docker"], indirect=True)

CUBE = """\
v 0 0 0
v 0 0 1
v 0 1 0
v 0 1 1
v 1 0 0
v 1 0 1
v 1 1 0
v 1 1 1
f 1 2 4 3
f 5 7 8 6
f 1 5 6 2
f 3 4 8 7
f 1 3 7 5
f 2 6 8 4
"""
"""A cube as a Wavefront file: six faces, each of two triangles."""
STL_BYTES = 84 + 12 * 50
"""A binary STL file: a header of 84 bytes, and 50 for each triangle."""


@pytest.fixture
def site(engine: Engine) -> Iterator[Site]:
    yield from make_site(engine)


@pytest.fixture
def project(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> Site:
    """The unpacked source distribution named by `of`."""
    name, version = request.param
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-binary", name, "--no-build-isolation"),
            *("--dest", str(tmp_path), f"{name}=={version}"),
        ],
        check=True,
    )
    (archive,) = tmp_path.glob("*.tar.gz")
    command = ("tar", "-xzf", str(archive), "--no-same-owner", "-C", str(site.directory))
    subprocess.run(command, check=True)
    (site.directory,) = site.directory.iterdir()
    site.own()
    return site


def of(name: str, version: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("project", [(name, version)], indirect=True, ids=[name])


def line(project: Site, *words: str) -> tuple[str, ...]:
    return ("-m", "buildr", "run", "--name", project.name, *words)


@of("httpbin", "0.10.4")
def test_a_flask_service_answers_on_the_printed_port(project: Site) -> None:
    command = line(project, "-p", "0:5000", "-m", "httpbin.core", "--host", "0.0.0.0")
    process = project.engine.popen(sys.executable, *command, cwd=project.directory)
    try:
        assert process.stderr is not None
        said: list[bytes] = []
        while not (found := re.search(rb"is 127\.0\.0\.1:(\d+) here", b"".join(said))):
            said.append(process.stderr.readline())
            assert said[-1], b"".join(said).decode()
        while b"Running on http" not in said[-1]:
            said.append(process.stderr.readline())
            assert said[-1], b"".join(said).decode()
        url = f"http://127.0.0.1:{int(found[1])}/get?word=one"
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert json.load(answer)["args"] == {"word": "one"}
        assert b"buildr: dependencies from pyproject.toml\n" in said
        process.send_signal(signal.SIGINT)
        process.communicate()
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


@of("towncrier", "26.9.0")
def test_a_click_tool_finds_its_files_and_its_own_version(project: Site) -> None:
    done = project.run(*line(project, "-m", "towncrier", "--version"))
    assert done.stdout.decode() == "python -m towncrier, version 26.9.0\n", done.stderr.decode()


@of("trimesh", "5.2.0")
def test_a_numpy_program_reads_and_writes_mounted_files(project: Site) -> None:
    project.write({"mesh/cube.obj": CUBE})
    words = ("-v", "./mesh:/mesh", "-m", "trimesh", "/mesh/cube.obj", "-e", "/mesh/cube.stl", "-i")
    done = project.run(*line(project, *words), stdin=b"print(round(abs(scene.volume), 6))\n")
    assert done.returncode == 0, done.stderr.decode()
    assert b"1.0" in done.stdout
    written = project.directory / "mesh" / "cube.stl"
    assert written.stat().st_size == STL_BYTES
    assert written.stat().st_uid == project.engine.uid


@of("nox", "2026.10.20")
def test_a_script_with_inline_metadata_gets_its_own_dependencies(project: Site) -> None:
    done = project.run(*line(project, "noxfile.py", "--list"))
    assert done.returncode == 0, done.stderr.decode()
    assert "Sessions defined in /app/noxfile.py" in done.stdout.decode()
    said = done.stderr.decode()
    assert "buildr: dependencies from the inline metadata of noxfile.py\n" in said


@of("mcp-server-time", "2026.10.19")
def test_a_server_locked_by_uv_talks_over_standard_input(project: Site) -> None:
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2024-11-05",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    done = project.run(
        *line(project, "-m", "mcp_server_time"), stdin=json.dumps(request).encode() + b"\n"
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["result"]["serverInfo"]["name"] == "mcp-time"
    assert "buildr: dependencies from uv.lock\n" in done.stderr.decode()
