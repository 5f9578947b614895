"""Which commit a project is: read from the files of its repository, whatever form they have, and nothing of them runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from buildr.errors import BuildError
from buildr.plan.checkout import public_url, read_checkout
from buildr.plan.git_objects import commit_time
from buildr.plan.source_date import named_date

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

FIRST = 1_600_000_000
URL = "https://git.example.org/team/app.git"


def git(directory: Path, *words: str, time: int = FIRST) -> str:
    date = f"{time} +0200"
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_DATE": date,
        **{
            f"GIT_{who}_{what}": text
            for who in ("AUTHOR", "COMMITTER")
            for what, text in (("NAME", "A B"), ("EMAIL", "a@b"))
        },
    }
    done = subprocess.run(
        ["git", *words], cwd=directory, env=environ, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    top = tmp_path / "app"
    (top / "sub").mkdir(parents=True)
    git(top, "init", "--quiet", "--initial-branch", "main")
    git(top, "remote", "add", "origin", URL)
    git(top, "commit", "--quiet", "--allow-empty", "--message", "first")
    return top


def test_a_commit_its_time_and_its_source_are_known(repository: Path) -> None:
    found = read_checkout(str(repository / "sub"))
    assert found is not None
    assert (found.commit, found.time, found.source) == (
        git(repository, "rev-parse", "HEAD"),
        FIRST,
        URL,
    )


def test_packed_references_and_objects_are_read(repository: Path) -> None:
    # Messages that are alike, so that some of the commits are stored as deltas of others.
    for number in range(40):
        message = f"{number}\n\n" + "the same long text\n" * 200
        words = ("commit", "--quiet", "--allow-empty", "--message", message)
        git(repository, *words, time=FIRST + number)
    git(repository, "gc", "--quiet", "--aggressive", "--prune=now")
    git(repository, "pack-refs", "--all")
    assert not (repository / ".git/refs/heads/main").exists()
    (pack,) = (repository / ".git/objects/pack").glob("*.idx")
    listed = git(repository, "verify-pack", "--verbose", str(pack)).splitlines()
    deltas = {row.split()[0] for row in listed if " commit " in row and len(row.split()) > 5}
    assert deltas
    found = read_checkout(str(repository))
    assert found is not None
    assert found.time == FIRST + 39
    for row in git(repository, "log", "--format=%H %ct").splitlines():
        commit, time = row.split()
        assert commit_time(str(repository / ".git/objects"), commit) == int(time)


def test_a_commit_without_a_branch_is_known(repository: Path) -> None:
    commit = git(repository, "rev-parse", "HEAD")
    git(repository, "checkout", "--quiet", commit)
    found = read_checkout(str(repository))
    assert found is not None
    assert found.commit == commit


def test_a_second_working_tree_is_its_own_commit_of_the_same_source(repository: Path) -> None:
    other = repository.parent / "other"
    git(repository, "worktree", "add", "--quiet", "-b", "side", str(other))
    git(other, "commit", "--quiet", "--allow-empty", "--message", "second", time=FIRST + 9)
    found = read_checkout(str(other))
    assert found is not None
    assert (found.commit, found.time, found.source) == (
        git(other, "rev-parse", "HEAD"),
        FIRST + 9,
        URL,
    )


def test_a_submodule_is_its_own_repository(repository: Path) -> None:
    whole = repository.parent / "whole"
    whole.mkdir()
    git(whole, "init", "--quiet")
    allow = ("-c", "protocol.file.allow=always")
    git(whole, *allow, "submodule", "--quiet", "add", str(repository), "part")
    found = read_checkout(str(whole / "part"))
    assert found is not None
    assert (found.commit, found.source) == (git(repository, "rev-parse", "HEAD"), "")


def test_without_a_commit_or_a_repository_nothing_is_known(tmp_path: Path) -> None:
    assert read_checkout(str(tmp_path)) is None
    git(tmp_path, "init", "--quiet")
    assert read_checkout(str(tmp_path)) is None


def test_a_file_that_points_to_another_repository_is_not_believed(
    repository: Path, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    clone.mkdir()
    (clone / ".git").write_text(f"gitdir: {repository}/.git\n")
    assert read_checkout(str(clone)) is None
    (clone / "own").mkdir()
    (clone / "own/gitdir").write_text(f"{clone}/.git\n")
    (clone / "own/commondir").write_text(f"{repository}/.git\n")
    (clone / ".git").write_text("gitdir: own\n")
    assert read_checkout(str(clone)) is None


@pytest.mark.parametrize("name", ["HEAD", "config", "refs/heads/main", "packed-refs"])
@pytest.mark.parametrize("kind", ["fifo", "zeros", "link", "large"])
def test_files_that_are_none_end_the_look_and_hang_nothing(
    repository: Path, name: str, kind: str
) -> None:
    path = repository / ".git" / name
    path.unlink(missing_ok=True)
    if name == "packed-refs":
        (repository / ".git/refs/heads/main").unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "zeros":
        path.symlink_to("/dev/zero")
    elif kind == "link":
        path.symlink_to(repository.parent / "secret")
        (repository.parent / "secret").write_text("ref: refs/heads/main\n")
    else:
        with path.open("wb") as file:
            file.truncate(1 << 30)
    assert read_checkout(str(repository)) is None


def test_an_object_that_is_another_is_not_believed(repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", "second", time=FIRST + 5)
    second = git(repository, "rev-parse", "HEAD")
    objects = repository / ".git/objects"
    one, other = (objects / digits[:2] / digits[2:] for digits in (first, second))
    one.chmod(0o644)
    one.write_bytes(other.read_bytes())
    assert commit_time(str(objects), first) is None
    one.write_bytes(b"garbage")
    assert commit_time(str(objects), first) is None


def test_nothing_of_the_repository_runs(repository: Path, tmp_path: Path) -> None:
    canary = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {canary}\n")
    program.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "gpg.program", "core.sshCommand"):
        git(repository, "config", name, str(program))
    git(repository, "config", "log.showSignature", "true")
    assert read_checkout(str(repository)) is not None
    assert not canary.exists()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://user:secret@example.org/a/b", "https://example.org/a/b"),
        ("https://ghp_secret@example.org:8443/a/b", "https://example.org:8443/a/b"),
        ("https://secret:x-oauth-basic@example.org/a", "https://example.org/a"),
        ("https://example.org/a?private_token=secret#secret", "https://example.org/a"),
        ("http://[::1]:3000/a", "http://[::1]:3000/a"),
        ("ssh://git:secret@example.org/a", "ssh://git@example.org/a"),
        ("git@example.org:a/b.git", "ssh://git@example.org/a/b.git"),
        ("example.org:a/b.git", "ssh://example.org/a/b.git"),
        ("git://example.org/a", "git://example.org/a"),
        ("/srv/git/secret", ""),
        ("../secret", ""),
        ("file:///srv/secret", ""),
        ("C:\\secret", ""),
        ("ext::sh -c secret", ""),
        ("https:///a", ""),
        ("https://example.org:port/a", ""),
        ("https://example.org/\x1b[31m", ""),
        ("https://example.org/" + "a" * 2000, ""),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_what_logs_in(url: str, shown: str) -> None:
    assert public_url(url) == shown


def test_the_only_remote_is_the_source_and_of_several_origin(repository: Path) -> None:
    git(repository, "remote", "rename", "origin", "upstream")
    found = read_checkout(str(repository))
    assert found is not None
    assert found.source == URL
    git(repository, "remote", "add", "other", "https://example.org/other")
    found = read_checkout(str(repository))
    assert found is not None
    assert found.source == ""


# The date --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "date"), [("0", 0), ("1700000000", 1_700_000_000), ("", None)])
def test_the_variable_is_the_date(
    monkeypatch: pytest.MonkeyPatch, text: str, date: int | None
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    assert named_date() == date


@pytest.mark.parametrize("text", ["yesterday", "-1", "1.5", "9" * 30, "٣"])
def test_a_date_that_is_not_a_number_is_an_error(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    with pytest.raises(BuildError, match="SOURCE_DATE_EPOCH"):
        named_date()
