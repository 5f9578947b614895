from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from buildr.context.digest import ContentReader, tree_digest
from buildr.context.ignore.rules import IgnoreRules
from buildr.context.scan import Entry, scan
from buildr.errors import ContextError

if TYPE_CHECKING:
    from pathlib import Path

NO_RULES = IgnoreRules.parse("")
MIB = 1024 * 1024


def entries(root: Path) -> tuple[Entry, ...]:
    return scan(root, rules=NO_RULES).entries


def digest(root: Path) -> str:
    return tree_digest(entries(root), root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "context"
    (root / "sub").mkdir(parents=True)
    (root / "sub" / "a").write_bytes(b"hello")
    (root / "sub" / "a").chmod(0o644)
    (root / "empty").write_bytes(b"")
    (root / "link").symlink_to("sub/a")
    return root


def test_the_digest_is_hexadecimal_sha256(root: Path) -> None:
    assert len(bytes.fromhex(digest(root))) == 32


def test_a_copy_with_other_times_inodes_and_group_bits_has_the_same_digest(root: Path) -> None:
    copy = root.with_name("copy")
    shutil.copytree(root, copy, symlinks=True)
    os.utime(copy / "sub" / "a", (1, 1))
    (copy / "sub" / "a").chmod(0o664)
    assert digest(copy) == digest(root)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "sub" / "a").write_bytes(b"hallo"),
        lambda root: (root / "sub" / "a").write_bytes(b"hello!"),
        lambda root: (root / "sub" / "a").rename(root / "sub" / "b"),
        lambda root: (root / "sub").rename(root / "sup"),
        lambda root: (root / "sub" / "a").chmod(0o755),
        lambda root: (root / "sub").chmod(0o700),
        lambda root: (root / "new").mkdir(),
        lambda root: (root / "new").write_bytes(b""),
        lambda root: (root / "empty").unlink(),
        lambda root: ((root / "empty").unlink(), (root / "empty").mkdir()),
        lambda root: ((root / "link").unlink(), (root / "link").symlink_to("sub/b")),
        lambda root: ((root / "link").unlink(), (root / "link").write_bytes(b"sub/a")),
        lambda root: ((root / "empty").unlink(), (root / "empty").hardlink_to(root / "sub" / "a")),
    ],
    ids=[
        "content",
        "length",
        "name",
        "folder",
        "mode",
        "folder-mode",
        "new-folder",
        "new-file",
        "gone",
        "kind",
        "target",
        "link-to-file",
        "hard-link",
    ],
)
def test_visible_changes_change_the_digest(root: Path, change: object) -> None:
    before = digest(root)
    assert callable(change)
    change(root)
    assert digest(root) != before


def test_a_hard_link_differs_from_a_copy(root: Path) -> None:
    shutil.copy(root / "sub" / "a", root / "sub" / "b")
    copied = digest(root)
    (root / "sub" / "b").unlink()
    os.link(root / "sub" / "a", root / "sub" / "b")
    assert digest(root) != copied


def test_names_and_contents_cannot_be_shifted_into_each_other(tmp_path: Path) -> None:
    fields = (0o644, 0, 0, 0, 0)
    one = [Entry("a", "symlink", *fields, "bc")]
    two = [Entry("ab", "symlink", *fields, "c")]
    assert tree_digest(one, tmp_path) != tree_digest(two, tmp_path)


def test_an_index_avoids_reading(root: Path) -> None:
    with ContentReader(root) as reader:
        known = {e.path: reader.digest(e) for e in entries(root) if e.kind == "file"}
    found, expected = entries(root), digest(root)
    shutil.rmtree(root / "sub")
    assert tree_digest(found, root, content_digest=lambda entry: known[entry.path]) == expected


def test_an_index_is_asked_only_for_files_with_content(root: Path) -> None:
    asked: list[str] = []

    def known(entry: Entry) -> bytes:
        asked.append(entry.path)
        return b""

    tree_digest(entries(root), root, content_digest=known)
    assert asked == ["sub/a"]


@pytest.mark.parametrize("size", [MIB - 1, MIB, MIB + 1, 3 * MIB, 3 * MIB + 5])
@pytest.mark.parametrize("place", ["first", "last"])
def test_every_byte_of_a_large_file_counts(tmp_path: Path, size: int, place: str) -> None:
    content = bytearray(os.urandom(size))
    (tmp_path / "a").write_bytes(content)
    before = digest(tmp_path)
    content[0 if place == "first" else -1] ^= 1
    (tmp_path / "a").write_bytes(content)
    assert digest(tmp_path) != before


def test_a_sparse_file_has_the_digest_of_its_full_copy(tmp_path: Path) -> None:
    for name in ("sparse", "full"):
        (tmp_path / name).mkdir()
    with (tmp_path / "sparse" / "a").open("wb") as file:
        file.truncate(8 * MIB + 3)
        for offset in (5, MIB - 2, 3 * MIB, 8 * MIB):
            file.seek(offset)
            file.write(b"abc")
    (tmp_path / "full" / "a").write_bytes((tmp_path / "sparse" / "a").read_bytes())
    assert digest(tmp_path / "sparse") == digest(tmp_path / "full")


def test_the_position_of_data_in_a_sparse_file_matters(tmp_path: Path) -> None:
    found = set()
    for offset in (0, MIB, 2 * MIB, None):
        with (tmp_path / "a").open("wb") as file:
            file.truncate(4 * MIB)
            if offset is not None:
                file.seek(offset)
                file.write(b"abc")
        found.add(digest(tmp_path))
    assert len(found) == 4


def test_holes_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 1024**4
    with (tmp_path / "a").open("wb") as file:
        file.truncate(size)
        file.seek(size // 2)
        file.write(b"abc")
    if (tmp_path / "a").stat().st_blocks * 512 >= size:
        pytest.skip("no sparse files here")
    read = 0
    real = os.pread

    def pread(file: int, length: int, offset: int) -> bytes:
        nonlocal read
        read += length
        return real(file, length, offset)

    monkeypatch.setattr(os, "pread", pread)
    digest(tmp_path)
    assert read == MIB


@pytest.mark.parametrize("size", [10, 3 * MIB])
def test_a_file_that_changed_since_the_scan_is_an_error(tmp_path: Path, size: int) -> None:
    (tmp_path / "a").write_bytes(os.urandom(size))
    found = entries(tmp_path)
    os.truncate(tmp_path / "a", size // 2)
    with pytest.raises(ContextError, match="a changed while it was read"):
        tree_digest(found, tmp_path)


def test_a_read_error_of_the_disk_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(bytes(3 * MIB))
    found = entries(tmp_path)

    def failing(*_: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", failing)
    with pytest.raises(ContextError, match="a cannot be read: Input/output error"):
        tree_digest(found, tmp_path)


def test_a_large_file_that_shrinks_while_it_is_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(bytes(3 * MIB))
    found = entries(tmp_path)
    monkeypatch.setattr(os, "pread", lambda _file, size, _offset: bytes(size - 1))
    with pytest.raises(ContextError, match="a changed while it was read"):
        tree_digest(found, tmp_path)


def test_a_file_that_grew_has_the_digest_of_what_is_sent(root: Path) -> None:
    found, expected = entries(root), digest(root)
    with (root / "sub" / "a").open("ab") as file:
        file.write(b"more")
    assert tree_digest(found, root) == expected
