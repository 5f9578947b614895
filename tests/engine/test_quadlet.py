"""Units of `buildr quadlet`, processed by Podman's generator: the service behaves like a run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import systemd
from tests.engine.harness import give, project_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.harness import Engine

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
ARGUMENTS = (
    *("plain", "two words", "--dash", "$HOME", "${HOME}", "$$", "100%", "%n", "%%"),
    *('"', "'", "\\", "\\n", "line\nbreak", "tab\there", "a;b", "#x", "*", "{}", "é", "\u2028"),
)
VALUES = {"A": "q\"u'o$t%e\\d", "B": "two\nlines", "C": "", "D": " blanks ", "E": "${A}$B%h"}
FACTS = """\
import json, os, sys
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
open("/data/written", "w").close()
print(json.dumps({
    "arguments": sys.argv,
    "ids": [os.getuid(), os.getgid()],
    "directory": os.getcwd(),
    "environment": {k: os.environ.get(k) for k in (*"ABCDEF", "HOME", "PATH", "PYTHONPATH", "BUILDR_IN_CONTAINER")},
    "status": {k: status[k] for k in ("NoNewPrivs", "CapEff", "CapBnd")},
    "first": open("/proc/1/cmdline").read(),
    "mounts": sorted(
        line.split(" ")[1] for line in open("/proc/mounts") if line.split(" ")[1] in ("/", "/data", "/tmp", "/home/app", "/mem")
    ),
    "writable": [os.access(p, os.W_OK) for p in ("/app", "/data", "/tmp", "/mem")],
}))
"""
OPTIONS = (
    "--hardened",
    "--tmpfs",
    "/mem:size=1m",
    "--env-file",
    ".env",
    "--mount",
    "./da ta$%:/data",
)


@pytest.fixture(scope="module")
def generator() -> str:
    done = subprocess.run([SCRIPTS / "quadlet-generator"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"there is no generator: {done.stderr.decode().splitlines()[-1]}")
    return done.stdout.decode().strip()


@pytest.fixture
def directory(rootless_podman: Engine) -> Iterator[Path]:
    yield from project_directory(rootless_podman)


def generated(generator: str, units: Path, out: Path) -> Path:
    """Run Podman's generator on the only unit in a directory; return the service."""
    out.mkdir()
    done = subprocess.run(
        [generator, "-user", str(out)],
        env={"PATH": os.environ["PATH"], "QUADLET_UNIT_DIRS": str(units)},
        capture_output=True,
        check=False,
    )
    [service] = out.glob("*.service")
    assert (done.returncode, done.stderr) == (0, b""), done.stderr.decode()
    return service


def started(service: Path) -> list[str]:
    """Return the command line that systemd would start."""
    [line] = [
        value for key, value in systemd.keys(service.read_text(), "Service") if key == "ExecStart"
    ]
    words = systemd.split(line)
    return [systemd.expand(word, N=service.stem, t="/run/user/1") for word in words]


def test_the_service_behaves_like_a_run(
    rootless_podman: Engine, directory: Path, generator: str, tmp_path: Path
) -> None:
    engine = rootless_podman
    (directory / "app.py").write_text(FACTS)
    (directory / ".env").write_text("F=from the file\n")
    (directory / "da ta$%").mkdir()
    give(engine, directory)
    options = [*OPTIONS, *(word for pair in VALUES.items() for word in ("--env", "=".join(pair)))]

    def buildr(*words: str) -> bytes:
        done = engine.python("-m", "buildr", *words, cwd=directory)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    run = json.loads(buildr("run", *options, "app.py", *ARGUMENTS))
    buildr("build", "app.py")
    buildr("quadlet", "--output", "units", *options, "app.py", *ARGUMENTS)
    words = started(generated(generator, directory / "units", tmp_path / "out"))
    # There is no systemd: use no cgroup of it, and stay in the foreground.
    ours = [
        word
        for word in words
        if word != "-d" and not word.startswith(("--cgroups=", "--sdnotify=", "--cidfile="))
    ]
    assert len(words) - len(ours) == 4
    done = engine.run(*ours, cwd=Path("/"))
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == run
    assert run["arguments"][1:] == list(ARGUMENTS)
    assert {k: run["environment"][k] for k in VALUES} == VALUES
    assert run["writable"] == [False, True, True, True]
    written: Any = (directory / "da ta$%" / "written").stat()
    assert written.st_uid == engine.uid


def test_systemd_analyze_accepts_the_service(
    rootless_podman: Engine, directory: Path, generator: str, tmp_path: Path
) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd-analyze")
    options = ("--port", "8080", "--memory", "64m", "--cpus", "1.5", "--grace-seconds", "2.5")
    image = "registry.example/team/web:1"
    done = rootless_podman.python(
        *("-m", "buildr", "quadlet", "-o", "units", "--restart", "on-failure:3", *options),
        *("--hardened", "--health-cmd", "test -e '/a b'", image, "serve", "100%"),
        cwd=directory,
    )
    assert done.returncode == 0, done.stderr.decode()
    service = generated(generator, directory / "units", tmp_path / "out")
    words = started(service)
    assert words[-3:] == [image, "serve", "100%"]
    assert {
        "--health-cmd=test -e '/a b'",
        "--memory=67108864",
        "--cpus=1.5",
        "--stop-timeout=3",
        "127.0.0.1:8080:8080",
    } <= set(words)
    place = tmp_path / "runtime"
    place.mkdir(mode=0o700)
    checked = subprocess.run(
        [analyze, "--user", "verify", service],
        env={"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(place), "HOME": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
