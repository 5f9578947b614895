"""Small files that make a later run quicker: given back as they were stored, or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from buildr.host import cache
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
def test_what_was_stored_comes_back(parts: tuple[bytes, ...]) -> None:
    cache.store("kind", NAME, *parts)
    assert found() == list(parts)


def test_what_was_not_stored_is_absent() -> None:
    assert found() is None


def test_the_last_one_stored_counts(folder: Path) -> None:
    cache.store("kind", NAME, b"old")
    cache.store("kind", NAME, b"new")
    assert found() == [b"new"]
    assert os.listdir(folder) == [NAME]


def test_nobody_else_may_look(folder: Path) -> None:
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


def test_a_file_that_others_may_write_is_absent(folder: Path) -> None:
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


def test_where_nothing_can_be_written_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    cache.store("kind", NAME, b"x")
    assert found() is None


def test_a_full_disk_leaves_the_old_one_and_nothing_else(
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


def test_what_nobody_uses_goes_when_something_new_comes(folder: Path) -> None:
    names = [cache.key(str(number)) for number in range(3)]
    for name in names:
        cache.store("kind", name, b"x")
    (folder / f"{names[0]}.12-ab").write_bytes(b"half")
    for old in (names[0], names[1], f"{names[0]}.12-ab"):
        os.utime(folder / old, (1, 1))
    assert cache.load("kind", names[1]) is not None  # in use after all
    cache.store("kind", NAME, b"x")
    assert sorted(os.listdir(folder)) == sorted([names[1], names[2], NAME])


def test_what_a_killed_process_had_half_written_goes_when_something_new_comes(folder: Path) -> None:
    cache.store("kind", NAME, b"x")
    live = f"{NAME}.{os.getpid()}-{start_time('self')}-ab"
    for name in (live, f"{NAME}.4194305-1-ab"):  # no pid is as large, proc(5)
        (folder / name).write_bytes(b"half")
    cache.store("kind", cache.key("another"), b"x")
    assert sorted(os.listdir(folder)) == sorted([NAME, live, cache.key("another")])


def test_the_place_is_that_of_the_environment_or_below_the_home(
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
