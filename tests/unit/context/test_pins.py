"""Files that change constantly: read once, and sent as they were read."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from buildr.archive.parts import Tree
from buildr.archive.tar import pack
from buildr.context import index
from buildr.context.digest import content_digest
from buildr.context.ignore.rules import IgnoreRules
from buildr.context.pins import Pins
from buildr.context.scan import scan, scan_file
from buildr.errors import ContextError

if TYPE_CHECKING:
    from pathlib import Path

    from buildr.context.entries import Scan

RULES = IgnoreRules.parse("")
HOUR_NS = 3_600_000_000_000


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = tmp_path / "root"
    found.mkdir()
    return found


def look(root: Path, pins: Pins, *then: Path) -> index.Snapshot:
    """Scan, and remove some files as soon as they have been found."""

    def find(known: index.Known) -> Scan:
        found = scan(root, rules=RULES, known=known, pins=pins)
        for path in then:
            path.unlink()
        return found

    return index.look(root, "", find, pins=pins)


def paths(found: index.Snapshot) -> list[str]:
    return [entry.path for entry in found.scan.entries]


def grow_old(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file's last change be an hour ago, as the next pins see it; no program can set the time of a status."""
    now = file.stat().st_ctime_ns + HOUR_NS
    monkeypatch.setattr(time, "time_ns", lambda: now)


def test_the_hashed_content_is_sent(root: Path) -> None:
    (root / "state.json").write_bytes(b"before")
    found = look(root, Pins())
    (root / "state.json").write_bytes(b"another one, of another size")
    tree = Tree(
        entries=found.scan.entries, root=root, contents=found.digests(), pinned=found.pinned
    )
    data = b"".join(pack([tree]))
    assert b"before" in data
    assert b"another" not in data
    assert found.digests() == {"state.json": content_digest(b"before")}


def test_a_recent_file_that_vanishes_after_the_scan_is_sent(root: Path) -> None:
    (root / "a.tmp").write_bytes(b"for now")
    found = look(root, Pins(), root / "a.tmp")
    assert found.pinned == {"a.tmp": b"for now"}


def test_an_old_file_that_vanishes_is_missing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "old.log").write_bytes(b"long ago")
    (root / "app.py").write_bytes(b"")
    grow_old(root / "old.log", monkeypatch)
    found = look(root, Pins(), root / "old.log")
    assert paths(found) == ["app.py"]
    assert found.pinned == {}


def test_a_vanished_hard_link_causes_another_scan(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a").write_bytes(b"x")
    os.link(root / "a", root / "b")
    grow_old(root / "a", monkeypatch)
    with pytest.raises(ContextError, match="a changed while it was read"):
        look(root, Pins(), root / "a")


def test_large_files_are_read_when_they_are_sent(root: Path) -> None:
    (root / "large").write_bytes(b"x" * ((4 << 20) + 1))
    found = look(root, Pins())
    assert paths(found) == ["large"]
    assert found.pinned == {}


def test_the_total_size_in_memory_is_limited(root: Path) -> None:
    for number in range(17):
        (root / f"{number:02}").write_bytes(b"x" * (4 << 20))
    assert sorted(look(root, Pins()).pinned) == [f"{number:02}" for number in range(16)]


def test_the_sent_content_is_the_searched_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = root / "state.txt"
    file.write_bytes(b"nothing yet")
    listed = os.open
    key = b"AKIA" + b"QWERTYUIOPASDFGH" + b"\n"

    def written_to(path: str, flags: int, **where: int) -> int:
        if path == str(file):
            file.write_bytes(key)  # after it was found, and before it is read
        return listed(path, flags, **where)

    monkeypatch.setattr(os, "open", written_to)
    found = scan(root, rules=RULES, pins=Pins())
    assert found.secrets == ("state.txt",)
    assert found.entries == ()


def test_a_single_file_is_held_too(root: Path) -> None:
    (root / "log").write_bytes(b"line\n")
    pins = Pins()
    found = index.look(root, "", lambda _: scan_file(root / "log", pins), pins=pins)
    (root / "log").write_bytes(b"")
    assert found.pinned == {"log": b"line\n"}


def test_an_unreadable_file_is_reported(root: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (root / "locked").write_bytes(b"x")
    (root / "locked").chmod(0)
    with pytest.raises(ContextError, match="locked in the context"):
        scan(root, rules=RULES, pins=Pins())
