"""`buildr eject`: what a build without Buildr finds in the directory that is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from buildr.cli import app
from buildr.context.ignore.rules import IgnoreRules


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "app.py").write_text("print('hello')\n")
    (directory / "requirements.txt").write_text("rich>=13\n")
    monkeypatch.chdir(directory)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("BUILDR_BASE_IMAGE", raising=False)
    return directory


def eject(*words: str) -> Result:
    return CliRunner().invoke(app, ["eject", "-o", "../out", *words, "app.py"])


def files(top: Path) -> set[str]:
    found = (p for p in top.rglob("*") if not p.is_dir() or p.is_symlink())
    return {str(path.relative_to(top)) for path in found}


def excluded(top: Path) -> set[str]:
    rules = IgnoreRules.parse((top / ".dockerignore").read_text())
    return {path for path in files(top) if rules.excludes(path)}


def test_the_containerfile_is_the_generated_one_and_all_that_it_copies_is_there(
    project: Path, tmp_path: Path
) -> None:
    (project / "settings.toml").write_text("x = 1\n")
    words = ("--additional-file", "settings.toml:/etc/app.toml:0440")
    assert eject(*words).exit_code == 0
    out = tmp_path / "out"
    shown = CliRunner().invoke(app, ["containerfile", *words, "app.py"]).stdout
    assert (out / "Containerfile").read_text() == shown
    found = files(out)
    guest = {path for path in found if path.startswith("guest/")}
    assert "guest/buildr/guest/init.py" in guest
    assert found - guest == {
        *(".dockerignore", "Containerfile", "dependencies/requirements.txt"),
        *("context/app.py", "context/requirements.txt", "context/settings.toml"),
        "files/0/app.toml" if (out / "files/0/app.toml").exists() else "files/0/settings.toml",
    }
    assert not excluded(out)


def test_files_links_and_modes_are_those_that_travel(project: Path, tmp_path: Path) -> None:
    (project / "run.sh").write_text("#!/bin/sh\n")
    (project / "run.sh").chmod(0o755)
    (project / "empty").mkdir()
    (project / "ü b*[1]").write_text("x")
    (project / os.fsdecode(b"\xff")).write_text("y")
    (project / "link").symlink_to("app.py")
    os.link(project / "app.py", project / "second.py")
    assert eject().exit_code == 0
    context = tmp_path / "out" / "context"
    assert (context / "run.sh").stat().st_mode & 0o777 == 0o775
    assert (context / "empty").is_dir()
    assert (context / "ü b*[1]").read_text() == "x"
    assert (context / os.fsdecode(b"\xff")).read_text() == "y"
    assert (context / "link").readlink() == Path("app.py")
    assert (context / "second.py").samefile(context / "app.py")


def test_what_does_not_travel_is_not_there_and_would_not_travel_later(
    project: Path, tmp_path: Path
) -> None:
    for name in (".env", "server.key", ".git/config", "id_rsa", "a/__pycache__/x.pyc"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("-----BEGIN PRIVATE KEY-----\n")
    assert eject().exit_code == 0
    out = tmp_path / "out"
    for name in (".env", "server.key", ".git/config", "id_rsa", "a/__pycache__/x.pyc"):
        assert not (out / "context" / name).exists()
        (out / "context" / name).parent.mkdir(parents=True, exist_ok=True)
        (out / "context" / name).write_text("")
    assert len(excluded(out)) == 5


def test_the_own_ignore_file_holds_where_the_source_is_now(project: Path, tmp_path: Path) -> None:
    (project / ".containerignore").write_text(
        "# mine\n*.log\n/data\n**/tmp\n!keep.log\n!.env\nout[1]\n"
    )
    for name in (".env", "a.log", "keep.log", "x/deep.log", "data", "y/tmp", "out1"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("")
    assert eject().exit_code == 0
    out = tmp_path / "out"
    assert {".env", "keep.log", "x/deep.log"} <= files(out / "context")
    assert not {"a.log", "data", "y/tmp", "out1"} & files(out / "context")
    assert not excluded(out)
    for name in ("a.log", "data", "y/tmp", "out1", ".netrc"):
        (out / "context" / name).parent.mkdir(exist_ok=True)
        (out / "context" / name).write_text("")
    assert len(excluded(out)) == 5


def test_secrets_that_are_sent_on_purpose_are_not_left_out(project: Path, tmp_path: Path) -> None:
    (project / ".env").write_text("")
    assert eject("--include-secrets").exit_code == 0
    assert "context/.env" in files(tmp_path / "out")
    assert not excluded(tmp_path / "out")


def test_a_directory_that_holds_something_is_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    assert eject().exit_code == 125
    assert "error: ../out is not empty; nothing was written" in capfd.readouterr().err
    assert files(tmp_path / "out") == {"mine"}


def test_by_force_an_earlier_one_is_replaced_and_other_files_stay(
    project: Path, tmp_path: Path
) -> None:
    (project / "old.py").write_text("")
    assert eject().exit_code == 0
    out = tmp_path / "out"
    (out / "mine").write_text("mine")
    (project / "old.py").unlink()
    assert eject("--force").exit_code == 0
    assert "context/old.py" not in files(out)
    assert (out / "mine").read_text() == "mine"


def test_by_force_folders_of_somebody_else_stay(tmp_path: Path) -> None:
    (tmp_path / "out" / "files").mkdir(parents=True)
    (tmp_path / "out" / "files" / "mine").write_text("mine")
    (tmp_path / "out" / "Containerfile").write_text("FROM scratch\n")
    assert eject("--force").exit_code == 0
    assert (tmp_path / "out" / "files" / "mine").read_text() == "mine"


def test_below_the_source_it_does_not_eject_itself(project: Path) -> None:
    for _ in range(2):
        words = ["eject", "--force", "-o", "out", "app.py"]
        assert CliRunner().invoke(app, words).exit_code == 0
    assert not (project / "out" / "context" / "out").exists()
    assert (project / "out" / "context" / "app.py").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("-o", "."), ". is where the source lies; nothing was written"),
        (("-o", "app.py/x"), "app.py/x cannot be written: Not a directory"),
        (("-o", "out", "--dockerfile", "own"), "--dockerfile is a Containerfile of your own"),
    ],
)
def test_what_cannot_be_ejected_is_said(
    project: Path, capfd: pytest.CaptureFixture[str], words: tuple[str, ...], problem: str
) -> None:
    (project / "own").write_text("FROM scratch\n")
    assert CliRunner().invoke(app, ["eject", "--force", *words, "app.py"]).exit_code == 125
    assert problem in capfd.readouterr().err


def test_the_commands_that_build_it_are_printed() -> None:
    assert eject().stdout.splitlines() == [
        "podman build -t localhost/buildr/app:latest ../out",
        "docker build -t localhost/buildr/app:latest -f ../out/Containerfile ../out",
    ]


def test_the_decorator_s_options_are_ejected_below_flags(
    project: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "app.py").write_text(
        "import os\nfrom buildr import Containerize\n"
        "@Containerize(package={'system_packages': ['git'], 'variant': 'slim', 'name': os.name})\n"
        "def main(): raise SystemExit('this ran')\nmain()\n"
    )
    assert eject("--variant", "bookworm").exit_code == 0
    text = (tmp_path / "out" / "Containerfile").read_text()
    assert "apk add --no-cache git" in text
    assert "python:3-bookworm\n" in text
    assert "line 3: package.name is computed when the script runs" in capfd.readouterr().err
