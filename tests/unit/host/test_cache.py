"""The cache of small files: returned as they were stored, or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from buildr.host import cache, private_folders
from buildr.host.process import start_time

if TYPE_CHECKING:
    from pathlib import Path

NAME = cache.key("a", "b")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "buildr" / "kind"


def found() -> list[bytes] | None:
    parts = cache.load("kind", NAME)
    return None if parts is None else [bytes(part) for part in parts]


@pytest.mark.parametrize("parts", [(), (b"",), (b"one",), (b"one", b"", b"\0" * 5_000_000)])
def test_stored_content_is_returned(parts: tuple[bytes, ...]) -> None:
    cache.store("kind", NAME, *parts)
    assert found() == list(parts)


def test_other_content_is_absent() -> None:
    assert found() is None


def test_the_last_stored_content_wins(folder: Path) -> None:
    cache.store("kind", NAME, b"old")
    cache.store("kind", NAME, b"new")
    assert found() == [b"new"]
    assert os.listdir(folder) == [NAME]


def test_the_folder_is_private(folder: Path) -> None:
    cache.store("kind", NAME, b"x")
    assert (folder / NAME).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_damaged_file_is_absent(folder: Path) -> None:
    cache.store("kind", NAME, b"some", b"text")
    whole = (folder / NAME).read_bytes()
    for at in range(len(whole)):
        (folder / NAME).write_bytes(whole[:at])
        assert found() is None
        (folder / NAME).write_bytes(whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :])
        assert found() is None
    (folder / NAME).write_bytes(whole)
    assert found() == [b"some", b"text"]


def test_a_file_writable_by_others_is_absent(folder: Path) -> None:
    cache.store("kind", NAME, b"x")
    (folder / NAME).chmod(0o660)
    assert found() is None


def test_a_link_is_absent(folder: Path) -> None:
    cache.store("kind", NAME, b"x")
    (folder / NAME).rename(folder / "elsewhere")
    (folder / NAME).symlink_to("elsewhere")
    assert found() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_absent(folder: Path) -> None:
    cache.store("kind", NAME, b"x")
    os.chown(folder / NAME, 65534, 65534)
    assert found() is None


def test_nothing_is_kept_in_a_read_only_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    cache.store("kind", NAME, b"x")
    assert found() is None


def test_a_full_disk_leaves_only_the_old_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.store("kind", NAME, b"old")

    def full(_file: int, _data: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    cache.store("kind", NAME, b"new")
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent.parent))
    assert found() == [b"old"]
    assert os.listdir(folder) == [NAME]


def test_unused_files_are_removed_at_the_next_write(folder: Path) -> None:
    names = [cache.key(str(number)) for number in range(3)]
    for name in names:
        cache.store("kind", name, b"x")
    half = f"{names[0]}.12-34-ab"
    (folder / half).write_bytes(b"buildr ca")
    for old in (names[0], names[1], half):
        os.utime(folder / old, (1, 1))
    assert cache.load("kind", names[1]) is not None  # in use after all
    cache.store("kind", NAME, b"x")
    assert sorted(os.listdir(folder)) == sorted([names[1], names[2], NAME])


def test_partial_files_of_killed_processes_are_removed_at_the_next_write(
    folder: Path,
) -> None:
    cache.store("kind", NAME, b"x")
    live = f"{NAME}.{os.getpid()}-{start_time('self')}-ab"
    for name in (live, f"{NAME}.4194305-1-ab"):  # no pid is as large, proc(5)
        (folder / name).write_bytes(b"")
    cache.store("kind", cache.key("another"), b"x")
    assert sorted(os.listdir(folder)) == sorted([NAME, live, cache.key("another")])


@pytest.mark.parametrize(
    "name",
    ["thesis.txt", "a" * 31, "a" * 33, "A" * 32, "a" * 32, f"{'a' * 32}.x", f"{'a' * 32}.1-2-3"],
)
def test_an_old_file_of_another_user_is_kept(folder: Path, name: str) -> None:
    folder.mkdir(mode=0o700, parents=True)
    (folder.parent).chmod(0o700)
    (folder / name).write_bytes(b"precious")
    os.utime(folder / name, (1, 1))
    cache.store("kind", NAME, b"x")
    assert found() == [b"x"]
    assert (folder / name).read_bytes() == b"precious"


def test_a_link_with_one_of_our_names_and_its_target_are_kept(folder: Path) -> None:
    cache.store("kind", "0" * 32, b"x")
    target = folder.parent.parent / "target"
    (folder / ("0" * 32)).rename(target)
    (folder / ("0" * 32)).symlink_to(target)
    os.utime(folder / ("0" * 32), (1, 1), follow_symlinks=False)
    cache.store("kind", NAME, b"x")
    assert target.exists()
    assert (folder / ("0" * 32)).is_symlink()


# A folder that is not this user's alone ------------------------------------------------------------


@pytest.mark.parametrize("level", ["buildr", "buildr/kind"])
@pytest.mark.parametrize("how", ["link", "another user's", 0o770, 0o702, 0o1777])
def test_a_shared_folder_is_refused(tmp_path: Path, level: str, how: str | int) -> None:
    cache.store("kind", NAME, b"x")
    folder = tmp_path / level
    if how == "link":
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    elif isinstance(how, str):
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder away")
        os.chown(folder, 65534, 65534)
    else:
        folder.chmod(how)
    assert found() is None
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    cache.store("kind", cache.key("new"), b"x")
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("place", ["home", "home/.cache"])
def test_no_folder_is_created_in_another_user_s_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / place).mkdir(parents=True)
    os.chown(tmp_path / place, 65534, 65534)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME")
    cache.store("kind", NAME, b"x")
    assert found() is None
    assert not os.listdir(tmp_path / place)


def test_locks_are_elsewhere_if_the_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(private_folders, "TEMPORARY", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir(mode=0o700)
    assert cache.lock_directory() is None
    assert cache.lock_directory(make=True) == str(tmp_path / "buildr")
    (tmp_path / "buildr").chmod(0o777)
    elsewhere = f"{tmp_path}/tmp/buildr-{os.geteuid()}"
    assert cache.lock_directory(make=True) == elsewhere
    (tmp_path / "run").mkdir(mode=0o700)
    assert cache.lock_directory(make=True) == f"{tmp_path}/run/buildr"
    (tmp_path / "run").chmod(0o777)
    assert cache.lock_directory() == elsewhere


def test_the_folder_is_that_of_the_environment_or_below_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache.directory() == "/x/buildr"
    monkeypatch.setenv("HOME", "/home/me")
    for nowhere in ("", "relative", "./cache"):  # to be ignored
        monkeypatch.setenv("XDG_CACHE_HOME", nowhere)
        assert cache.directory() == "/home/me/.cache/buildr"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.directory() == "/home/me/.cache/buildr"
