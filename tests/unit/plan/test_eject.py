"""`buildr eject`: what a build without Buildr finds in the directory that is written."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from click.testing import CliRunner, Result

from buildr.cli import app
from buildr.context.ignore.rules import IgnoreRules
from buildr.plan.eject_install import Place

if TYPE_CHECKING:
    import tarfile


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


def test_the_generated_containerfile_is_ejected_with_all_copied_files(
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
        *(".dockerignore", ".buildr-eject.json", "Containerfile", "dependencies/requirements.txt"),
        *("context/app.py", "context/requirements.txt", "context/settings.toml"),
        "files/0/app.toml" if (out / "files/0/app.toml").exists() else "files/0/settings.toml",
    }
    assert not excluded(out)


def test_files_links_and_modes_are_those_of_a_build(project: Path, tmp_path: Path) -> None:
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


def test_excluded_files_are_not_ejected_and_stay_excluded(project: Path, tmp_path: Path) -> None:
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


def test_the_ignore_file_applies_to_the_ejected_source(project: Path, tmp_path: Path) -> None:
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


def test_secrets_that_are_included_on_purpose_are_ejected(project: Path, tmp_path: Path) -> None:
    (project / ".env").write_text("")
    assert eject("--include-secrets").exit_code == 0
    assert "context/.env" in files(tmp_path / "out")
    assert not excluded(tmp_path / "out")


def test_a_directory_with_files_is_left_alone(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    assert eject().exit_code == 125
    assert "error: ../out is not empty; nothing was written" in capfd.readouterr().err
    assert files(tmp_path / "out") == {"mine"}


def test_force_replaces_an_earlier_eject_and_keeps_other_files(
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


def snapshot(top: Path) -> dict[str, object]:
    """Everything in a directory: what it is, its content, and its mode."""
    return {
        str(path.relative_to(top)): (
            path.lstat().st_mode,
            str(path.readlink()) if path.is_symlink() else path.is_file() and path.read_bytes(),
        )
        for path in top.rglob("*")
    }


def test_force_keeps_and_names_foreign_files(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert eject().exit_code == 0
    for name in ("context/mine.txt", "files/notes.txt", "guest/buildr/mine", "README"):
        (tmp_path / "out" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "out" / name).write_text("mine")
    capfd.readouterr()
    assert eject("--force").exit_code == 0
    for name in ("context/mine.txt", "files/notes.txt", "guest/buildr/mine", "README"):
        assert (tmp_path / "out" / name).read_text() == "mine"
    said = "not written by eject, but copied into the image: context/mine.txt and 2 more"
    assert said in capfd.readouterr().err


@pytest.mark.parametrize("name", ["Containerfile", ".dockerignore", "context/app.py", "guest"])
def test_force_writes_nothing_if_a_foreign_file_is_in_the_way(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    mine = tmp_path / "out" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    before = snapshot(tmp_path / "out")
    assert eject("--force").exit_code == 125
    said = capfd.readouterr().err
    assert f"error: ../out/{name} is in the way; nothing was written" in said
    assert "Only what .buildr-eject.json lists is replaced, and ../out has none" in said
    assert snapshot(tmp_path / "out") == before


@pytest.mark.parametrize("name", ["Containerfile", ".dockerignore", "context/app.py"])
def test_force_writes_nothing_if_a_file_was_changed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    assert eject().exit_code == 0
    (tmp_path / "out" / name).write_text("changed")
    before = snapshot(tmp_path / "out")
    assert eject("--force").exit_code == 125
    assert f"error: ../out/{name} is in the way: it was changed" in capfd.readouterr().err
    assert snapshot(tmp_path / "out") == before


def test_force_keeps_a_changed_file_that_was_removed_from_the_source(
    project: Path, tmp_path: Path
) -> None:
    (project / "old.py").write_text("")
    assert eject().exit_code == 0
    (tmp_path / "out" / "context" / "old.py").write_text("changed")
    (project / "old.py").unlink()
    assert eject("--force").exit_code == 0
    assert (tmp_path / "out" / "context" / "old.py").read_text() == "changed"


@pytest.mark.parametrize(
    "record", ["{", "[]", '{"version": 2}', '{"version": 1, "written": {"a": 1}}']
)
def test_an_unusable_record_is_reported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], record: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".buildr-eject.json").write_text(record)
    assert eject("--force").exit_code == 125
    assert ".buildr-eject.json, the record of what an eject has written, cannot be used" in (
        capfd.readouterr().err
    )
    assert files(tmp_path / "out") == {".buildr-eject.json"}


def test_a_record_does_not_lead_out_of_the_directory(tmp_path: Path) -> None:
    assert eject().exit_code == 0
    outside = tmp_path / "outside"
    outside.write_text("precious")
    record = tmp_path / "out" / ".buildr-eject.json"
    reported = json.loads(record.read_text())
    digest = hashlib.sha256(b"precious").hexdigest()
    reported["written"] |= {path: [f"sha256:{digest}"] for path in ("../outside", str(outside))}
    record.write_text(json.dumps(reported))
    assert eject("--force").exit_code == 0
    assert outside.read_text() == "precious"


@pytest.mark.parametrize("name", ["context", "guest/buildr", "Containerfile", ".dockerignore"])
def test_force_follows_no_link_out_of_the_directory(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    assert eject().exit_code == 0
    out = tmp_path / "out"
    elsewhere = tmp_path / "elsewhere"
    (out / name).rename(elsewhere)
    (out / name).symlink_to(elsewhere)
    before = snapshot(out), elsewhere.is_file() or snapshot(elsewhere)
    assert eject("--force").exit_code == 125
    assert f"error: ../out/{name} is in the way" in capfd.readouterr().err
    assert (snapshot(out), elsewhere.is_file() or snapshot(elsewhere)) == before


def test_force_changes_types_of_files(project: Path, tmp_path: Path) -> None:
    (project / "a").mkdir()
    (project / "a" / "x").write_text("x")
    (project / "b").write_text("b")
    (project / "c").symlink_to("b")
    os.link(project / "b", project / "d")
    assert eject().exit_code == 0
    assert eject("--force").exit_code == 0
    (project / "a" / "x").unlink()
    (project / "a").rmdir()
    (project / "a").symlink_to("app.py")
    for name in ("b", "c", "d"):
        (project / name).unlink()
        (project / name).mkdir()
        (project / name / "y").write_text("y")
    assert eject("--force").exit_code == 0
    context = tmp_path / "out" / "context"
    assert (context / "a").readlink() == Path("app.py")
    assert files(context) == {"app.py", "requirements.txt", "a", "b/y", "c/y", "d/y"}


def test_force_does_not_replace_a_folder_with_foreign_files(
    project: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "a").mkdir()
    (project / "a" / "x").write_text("x")
    assert eject().exit_code == 0
    (tmp_path / "out" / "context" / "a" / "mine").write_text("mine")
    (project / "a" / "x").unlink()
    (project / "a").rmdir()
    (project / "a").write_text("a")
    before = snapshot(tmp_path / "out")
    assert eject("--force").exit_code == 125
    assert "../out/context/a is in the way" in capfd.readouterr().err
    assert snapshot(tmp_path / "out") == before


def test_an_unreadable_file_leaves_an_earlier_eject_complete(project: Path, tmp_path: Path) -> None:
    assert eject().exit_code == 0
    before = snapshot(tmp_path / "out")
    (project / "app.py").write_text("print('new')\n")
    (project / ".wh.name").touch()
    assert eject("--force").exit_code == 125
    assert snapshot(tmp_path / "out") == before


def test_a_killed_eject_is_replaced(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert eject().exit_code == 0
    (project / "app.py").write_text("print('new')\n")
    (project / "zzz.py").write_text("")

    class KilledError(BaseException):
        pass

    def killed(*_: object, **__: object) -> NoReturn:
        raise KilledError

    put = Place.put

    def put_or_die(place: Place, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        if member.name == "context/zzz.py":
            place._rename = killed  # type: ignore[method-assign]  # while a file is being written
        put(place, archive, member)

    with monkeypatch.context() as patch:
        patch.setattr(Place, "put", put_or_die)
        with pytest.raises(KilledError):
            eject("--force")
    assert eject("--force").exit_code == 0
    assert (tmp_path / "out" / "context" / "app.py").read_text() == "print('new')\n"
    assert not (tmp_path / "out" / ".buildr-eject.tmp").exists()


def test_a_source_in_a_folder_that_an_eject_would_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "q" / "context"
    source.mkdir(parents=True)
    (source / "app.py").write_text("print(1)\n")
    (source / "precious.txt").write_text("data")
    monkeypatch.chdir(source)
    before = snapshot(tmp_path / "q")
    words = ["eject", "--force", "-o", "..", "app.py"]
    assert CliRunner().invoke(app, words).exit_code == 125
    assert ".. holds the source, " in capfd.readouterr().err
    assert snapshot(tmp_path / "q") == before


def test_a_folder_that_holds_the_script_is_refused(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "src").mkdir()
    (project / "src" / "main.py").write_text("")
    words = ["eject", "--force", "-o", "src", "src/main.py"]
    assert CliRunner().invoke(app, words).exit_code == 125
    assert "src holds the source, " in capfd.readouterr().err
    assert files(project / "src") == {"main.py"}


def test_source_files_beside_an_earlier_one_travel(project: Path) -> None:
    (project / "src").mkdir()
    (project / "src" / "lib.py").write_text("")
    words = ["eject", "--force", "-o", "src", "app.py"]
    for _ in range(2):
        assert CliRunner().invoke(app, words).exit_code == 0
        context = files(project / "src" / "context")
        assert context == {"app.py", "requirements.txt", "src/lib.py"}


def test_an_additional_folder_does_not_include_an_earlier_eject(project: Path) -> None:
    (project / "around").mkdir()
    (project / "around" / "x").write_text("")
    words = ["eject", "--force", "-o", "around/out", "app.py", "--additional-file", "around:/srv"]
    for _ in range(2):
        assert CliRunner().invoke(app, words).exit_code == 0
    assert files(project / "around" / "out" / "files") == {"0/x"}


def test_an_eject_below_the_source_does_not_include_itself(project: Path) -> None:
    for _ in range(2):
        words = ["eject", "--force", "-o", "out", "app.py"]
        assert CliRunner().invoke(app, words).exit_code == 0
    assert not (project / "out" / "context" / "out").exists()
    assert (project / "out" / "context" / "app.py").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("-o", "."), ". holds the source, "),
        (("-o", ".."), ".. holds the source, "),
        (("-o", "/"), "/ holds the source, "),
        (("-o", "app.py/x"), "app.py/x cannot be written: Not a directory"),
        (("-o", "out", "--dockerfile", "own"), "--dockerfile is a Containerfile of your own"),
    ],
)
def test_projects_that_cannot_be_ejected_are_reported(
    project: Path, capfd: pytest.CaptureFixture[str], words: tuple[str, ...], problem: str
) -> None:
    (project / "own").write_text("FROM scratch\n")
    assert CliRunner().invoke(app, ["eject", "--force", *words, "app.py"]).exit_code == (
        2 if "--dockerfile" in words else 125
    )
    assert problem in capfd.readouterr().err


def test_the_build_commands_are_printed() -> None:
    assert eject().stdout.splitlines() == [
        "podman build -t localhost/buildr/app:latest ../out",
        "docker build -t localhost/buildr/app:latest -f ../out/Containerfile ../out",
    ]


def test_the_decorator_s_options_are_ejected_after_flags(
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
    assert "app.py:3: package.name is computed when the script runs" in capfd.readouterr().err
