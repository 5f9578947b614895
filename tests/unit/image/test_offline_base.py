"""The base image of Debian's packages: what is asked of mmdebstrap, what becomes of it, and what is said when it fails."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from buildr.cli import app
from buildr.cli.base import _RELEASES
from buildr.image import offline_base
from buildr.testing import FakeBackend, using
from tests.mmdebstrap import stand_in
from tests.unit.processes import SECONDS, running

MIRROR = "http://mirror.example/debian"
# The signal is waited for while it is blocked: a handler of Python's would not run for one that comes just before a pause.
INTERRUPTED = """\
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
open("{folder}/started", "w").close()
number = signal.sigwait([signal.SIGINT])
with open("{folder}/ended", "w") as file:
    file.write("by %d" % number)
raise SystemExit(1)
"""


@pytest.fixture
def reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stand-in for mmdebstrap writes its arguments."""
    reported = stand_in(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return reported


def base(*words: str, backend: FakeBackend | None = None) -> Result:
    with using(backend or FakeBackend()):
        return CliRunner().invoke(app, ["base", "--mirror", MIRROR, *words], prog_name="buildr")


def test_the_image_is_loaded_and_its_name_printed(
    reported: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    backend = FakeBackend(name="docker")
    result = base("--release", "trixie", backend=backend)
    name = "localhost/buildr/offline-base:trixie-python3.13"
    assert (result.exit_code, result.stdout) == (0, f"{name}\n")
    assert backend.image(name) is not None
    assert f"docker has it now: export BUILDR_BASE_IMAGE={name}" in capfd.readouterr().err
    words = reported.read_text().splitlines()
    assert "--variant=essential" in words
    assert "--include=usr-is-merged,python3,python3-pip,ca-certificates,libstdc++6" in words
    assert words[-3] == "trixie"
    assert words[-1].endswith(f"{MIRROR} trixie main")


def test_further_packages_are_included_and_change_the_name(reported: Path) -> None:
    backend = FakeBackend()
    plain = base("-q", backend=backend).stdout.strip()
    name = base("-q", "--include", "gcc,libpq-dev", "--include", "g++", backend=backend).stdout
    assert name.strip().startswith(f"{plain}-")
    [words] = [line for line in reported.read_text().splitlines() if "gcc" in line]
    assert words.endswith(",libstdc++6,gcc,libpq-dev,g++")


@pytest.mark.parametrize("given", ["", "gcc,", "-x", "gcc --x", "Gcc", "a,b;c"])
def test_what_is_not_the_name_of_a_package_is_refused(given: str) -> None:
    result = base("--include", given)
    assert result.exit_code == 2
    assert "is not the name of a package" in result.output


def test_a_stored_image_is_made_again_only_by_force(reported: Path) -> None:
    backend = FakeBackend()
    name = base("-q", backend=backend).stdout.strip()
    once = reported.read_text()
    assert base("-q", backend=backend).stdout.strip() == name
    assert reported.read_text() == once
    base("-q", "--force", backend=backend)
    assert len(reported.read_text().splitlines()) == 2 * len(once.splitlines())


@pytest.mark.usefixtures("reported")
def test_the_archive_has_the_format_of_engines(tmp_path: Path) -> None:
    with using({}):  # no engine is needed
        words = ["base", "--release", "bookworm", "--tag", "example.org/base:1", "-o", "base.tar"]
        result = CliRunner().invoke(app, [*words, "--mirror", MIRROR], prog_name="buildr")
    assert (result.exit_code, result.stdout) == (0, "example.org/base:1\n")
    with tarfile.open(tmp_path / "base.tar") as tar:
        found = {member.name: tar.extractfile(member) for member in tar}
        data = {name: file.read() for name, file in found.items() if file is not None}
    [image] = json.loads(data["manifest.json"])
    assert image["RepoTags"] == ["example.org/base:1"]
    config = json.loads(data[image["Config"]])
    [layer] = image["Layers"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(data[layer]).hexdigest()}"]
    assert "Not the official Python image" in str(config["config"]["Labels"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "base.tar",
        "bin",
        "reported",
        "system",
    ]


def test_without_mmdebstrap_the_ways_to_get_it_are_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert base().exit_code == 125
    said = capfd.readouterr().err
    assert (
        "error: mmdebstrap, which makes a base image of Debian's packages, is not installed" in said
    )
    assert "apt-get install mmdebstrap" in said
    assert "buildr base --output base.tar" in said


def test_a_failure_names_the_mirror_and_shows_the_end_of_the_log(
    reported: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = base("-o", "base.tar", "--mirror", "http://broken.example/debian")
    assert result.exit_code == 125
    said = capfd.readouterr().err
    assert "mmdebstrap failed with status 25; the mirror was http://broken.example/debian" in said
    assert "E: the mirror is broken\nIs the mirror reachable? Another one: --mirror URL." in said
    assert reported.exists()
    assert not (tmp_path / "base.tar").exists()
    assert not list(tmp_path.glob("buildr-base-*"))


@pytest.mark.usefixtures("reported")
def test_an_unwritable_destination_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    assert base("-o", "nowhere/base.tar").exit_code == 125
    assert "nowhere/base.tar cannot be written: No such file" in capfd.readouterr().err


def test_the_command_knows_the_releases_of_the_recipe() -> None:
    assert tuple(offline_base.PYTHONS) == _RELEASES


@pytest.mark.usefixtures("reported")
def test_the_scripts_run_the_same_recipe_as_a_program(tmp_path: Path) -> None:
    program = Path(offline_base.__file__)

    def run(*words: str) -> str:
        command = [sys.executable, "-IS", str(program), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        return done.stdout

    assert run("tag").strip() == offline_base.reference(offline_base.default_release())
    run("make", "base.tar")
    with tarfile.open(tmp_path / "base.tar") as tar:
        assert tar.getnames() == ["manifest.json", "config.json", "layer.tar"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_interrupts_mmdebstrap_and_waits_for_its_end(
    reported: Path, tmp_path: Path, number: int, status: int
) -> None:
    program = tmp_path / "bin" / "mmdebstrap"
    ended = tmp_path / "ended"
    os.mkfifo(tmp_path / "started")
    program.write_text(f"#!{sys.executable} -IS\n" + INTERRUPTED.format(folder=tmp_path))
    words = ("-m", "buildr", "base", "-o", "base.tar")
    with running(*words, cwd=tmp_path, env={"PATH": os.environ["PATH"]}) as process:
        (tmp_path / "started").read_text()
        process.send_signal(number)
        assert process.wait(SECONDS) == status
    assert ended.read_text() == f"by {signal.SIGINT:d}"
    assert not reported.exists()
    assert not list(tmp_path.glob("buildr-base-*"))


def test_an_interrupt_during_the_start_reaches_mmdebstrap(
    reported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(threading.Thread):
        def start(self) -> None:
            super().start()
            (tmp_path / "started").read_text()
            raise KeyboardInterrupt

    os.mkfifo(tmp_path / "started")
    program = tmp_path / "bin" / "mmdebstrap"
    program.write_text(f"#!{sys.executable} -IS\n" + INTERRUPTED.format(folder=tmp_path))
    monkeypatch.setattr(threading, "Thread", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        offline_base.make(str(tmp_path / "base.tar"), "bookworm")
    assert (tmp_path / "ended").read_text() == f"by {signal.SIGINT:d}"
    assert not reported.exists()


def test_pip_may_put_another_version_in_front_of_debians(tmp_path: Path) -> None:
    packages = tmp_path / "usr/lib/python3/dist-packages"
    for name in ("pip-1.dist-info", "six-1.dist-info"):
        (packages / name).mkdir(parents=True)
    (packages / "six-1.dist-info/RECORD").write_text("six.py,,\n")
    for folder in ("usr/local/bin", "usr/share/doc"):
        (tmp_path / folder).mkdir(parents=True)
    subprocess.run(["sh", "-c", offline_base._FINISH, "sh", str(tmp_path)], check=True)
    assert (packages / "pip-1.dist-info/RECORD").read_text() == ""
    assert (packages / "six-1.dist-info/RECORD").read_text() == "six.py,,\n"
