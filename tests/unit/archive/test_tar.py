from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import subprocess
import tarfile
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from buildr.archive.header import FILE, SYMLINK, header
from buildr.archive.tar import CHUNK_BYTES, Copy, Member, Tree, pack, pack_tree, tree_size
from buildr.context.digest import ContentReader
from buildr.context.entries import normal_mode
from buildr.context.ignore.rules import IgnoreRules
from buildr.context.scan import scan
from buildr.errors import ContextError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NO_RULES = IgnoreRules.parse("")
MIB = 1024 * 1024


def write(root: Path, path: str, data: bytes = b"x", mode: int = 0o644) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    file.chmod(mode)
    return file


def tree(root: Path, prefix: str = "context", mode: int | None = None) -> Tree:
    return Tree(entries=scan(root, rules=NO_RULES).entries, root=root, prefix=prefix, mode=mode)


def archive(*parts: Tree | Member | Copy) -> bytes:
    return b"".join(pack(parts))


def opened(data: bytes) -> tarfile.TarFile:
    return tarfile.open(
        fileobj=io.BytesIO(data), mode="r|", encoding="utf-8", errors="surrogateescape"
    )


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with opened(data) as tar:
        return {member.name: member for member in tar}


def contents(data: bytes) -> dict[str, bytes]:
    found = {}
    with opened(data) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isreg() else None
            if file is not None:
                found[member.name] = file.read()
    return found


def gnu_tar(*arguments: str, data: bytes) -> bytes:
    program = shutil.which("tar")
    if program is None:
        pytest.skip("no tar program")
    done = subprocess.run(
        [program, *arguments],
        input=data,
        capture_output=True,
        check=True,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
    )
    assert done.stderr == b""
    return done.stdout


def extract(data: bytes, folder: Path) -> Path:
    folder.mkdir()
    # GNU tar warns about the POSIX record for names that are not UTF-8, but extracts them correctly.
    quiet = "--warning=no-unknown-keyword"
    gnu_tar("-x", "-p", quiet, "-C", os.fspath(folder), data=data)
    return folder


# What the stream holds


def test_an_empty_context_is_an_empty_folder(tmp_path: Path) -> None:
    found = members(archive(tree(tmp_path)))
    assert list(found) == ["context"]
    assert found["context"].isdir()


def test_nothing_at_all_is_a_valid_archive() -> None:
    assert archive() == bytes(1024)


def test_files_folders_and_links_travel(tmp_path: Path) -> None:
    write(tmp_path, "sub/a.txt", b"hello")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("sub/a.txt")
    os.link(tmp_path / "sub" / "a.txt", tmp_path / "sub" / "b.txt")
    found = members(archive(tree(tmp_path)))
    assert list(found) == [
        "context",
        "context/empty",
        "context/link",
        "context/sub",
        "context/sub/a.txt",
        "context/sub/b.txt",
    ]
    assert found["context/link"].issym()
    assert found["context/link"].linkname == "sub/a.txt"
    assert found["context/sub/b.txt"].islnk()
    assert found["context/sub/b.txt"].linkname == "context/sub/a.txt"


def test_hard_links_are_extracted_as_one_file(tmp_path: Path) -> None:
    first = write(tmp_path, "in/a", b"hello")
    os.link(first, tmp_path / "in" / "b")
    out = extract(archive(tree(tmp_path / "in")), tmp_path / "out") / "context"
    assert (out / "a").stat().st_ino == (out / "b").stat().st_ino
    assert (out / "b").read_bytes() == b"hello"


HOSTILE = [
    b"new\nline",
    b"quo'te\"s",
    b"-rf",
    b"--checkpoint-action=exec=false",
    b"a b",
    b"$HOME",
    b"back\\slash",
    b"\\012",
    b"*?[",
    "\u00e9\u4e2d\U0001f600".encode(),
    "e\u0301".encode(),
    b"\xff\xfe",
    b"caf\xe9\n",
    b"\x01\x7f",
    b"a=b\n12 path=x",
    b"x" * 99 + b"/" + b"y" * 255 + b"/" + b"z" * 255,
    b"n" * 100,
    b"n" * 91,
    b"n" * 92,
    b"n" * 93,
    b" leading and trailing ",
    b"GNUSparseFile.0",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", ["file", "dir", "symlink", "target", "hardlink"])
def test_a_hostile_name_survives_a_round_trip(tmp_path: Path, name: bytes, kind: str) -> None:
    root = os.fsencode(tmp_path / "in")
    path = root + b"/" + name
    os.makedirs(os.path.dirname(path))
    text = os.fsdecode(name)
    if kind == "dir":
        os.mkdir(path)
    elif kind == "symlink":
        os.symlink(b"a", path)
    elif kind == "target":
        os.symlink(name, root + b"/link")
    else:
        Path(os.fsdecode(path)).write_bytes(b"hello")
        if kind == "hardlink":
            os.link(path, root + b"/zz")
    data = archive(tree(tmp_path / "in"))

    found = members(data)
    out = os.fsencode(extract(data, tmp_path / "out")) + b"/context"
    if kind == "target":
        assert found["context/link"].linkname == text
        assert os.readlink(out + b"/link") == name
    elif kind == "symlink":
        assert found[f"context/{text}"].linkname == "a"
        assert os.readlink(out + b"/" + name) == b"a"
    elif kind == "dir":
        assert found[f"context/{text}"].isdir()
        assert os.path.isdir(out + b"/" + name)
    else:
        assert Path(os.fsdecode(out + b"/" + name)).read_bytes() == b"hello"
        first, *others = sorted(found.keys() & {f"context/{text}", "context/zz"}, key=os.fsencode)
        assert contents(data)[first] == b"hello"
        assert [found[other].linkname for other in others] == [first] * (kind == "hardlink")


NAME = st.binary(min_size=1, max_size=60).filter(
    lambda name: (
        b"/" not in name
        and b"\0" not in name
        and name not in {b".", b".."}
        and not name.startswith(b".wh.")  # is refused
    )
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(NAME, st.binary(max_size=2000)), max_size=5))
def test_any_names_and_contents_survive_a_round_trip(
    files: list[tuple[bytes, bytes]],
) -> None:
    parts = [Member(path=f"p/{os.fsdecode(name)}", data=data) for name, data in dict(files).items()]
    expected = {part.path: part.data for part in parts}
    assert contents(archive(*parts)) == expected


def test_a_path_longer_than_a_header_survives_a_round_trip(tmp_path: Path) -> None:
    path = "/".join("d" * 200 for _ in range(10)) + "/a"
    write(tmp_path, f"in/{path}", b"deep")
    data = archive(tree(tmp_path / "in", prefix=""))
    assert contents(data) == {path: b"deep"}
    assert (extract(data, tmp_path / "out") / path).read_bytes() == b"deep"


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 65_535, 65_536, CHUNK_BYTES, 3 * MIB + 7])
def test_a_file_of_any_size_survives_a_round_trip(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    write(tmp_path, "a", content)
    write(tmp_path, "b", b"after")
    assert contents(archive(tree(tmp_path, ""))) == {"a": content, "b": b"after"}


@pytest.mark.parametrize("size", [8 * 1024**3 - 1, 8 * 1024**3, 10**15])
def test_a_size_of_8_gib_and_more_is_in_a_record(size: int) -> None:
    head = header(b"a", FILE, mode=0o644, size=size)
    assert (b"%d size=%d\n" % (len(str(size)) + 9, size) in head) is (size >= 8 * 1024**3)
    with opened(head) as tar:
        member = tar.next()
    assert member is not None
    assert (member.name, member.size) == ("a", size)


@pytest.mark.parametrize(
    ("name", "link", "records"),
    [
        (b"plain", b"plain", []),
        (b"\xc3\xa9", b"", [b"path"]),
        (b"a", b"\xc3\xa9", [b"linkpath"]),
        (b"n" * 101, b"n" * 101, [b"path", b"linkpath"]),
        (b"\xff", b"", [b"hdrcharset", b"path"]),
        (b"a", b"\xff", [b"hdrcharset", b"linkpath"]),
    ],
)
def test_values_that_do_not_fit_in_a_header_are_in_posix_records(
    name: bytes, link: bytes, records: list[bytes]
) -> None:
    head = header(name, SYMLINK if link else FILE, mode=0o644, link=link)
    found = [line.partition(b" ")[2].partition(b"=")[0] for line in head[512:-512].splitlines()]
    assert [key for key in found if key] == records
    assert len(head) == (512 if not records else 1536)


@pytest.mark.parametrize("length", [80, 85, 86, 87, 88, 89, 90, 985, 986, 987, 988, 989, 990, 991])
def test_the_length_of_a_record_counts_its_own_digits(length: int) -> None:
    name = b"n" * length + "\u00e9".encode()
    with opened(header(name, FILE, mode=0o644)) as tar:
        member = tar.next()
    assert member is not None
    assert os.fsencode(member.name) == name


# Modes, owners, times


def test_everything_has_one_owner(tmp_path: Path) -> None:
    write(tmp_path, "sub/a")
    for member in members(archive(tree(tmp_path), Member(path="m", data=b""))).values():
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")


def test_entries_without_content_have_the_earliest_zip_time(
    tmp_path: Path,
) -> None:
    write(tmp_path, "sub/empty", b"")
    (tmp_path / "link").symlink_to("sub")
    for member in members(archive(tree(tmp_path), Member(path="m", data=b""))).values():
        assert member.mtime == 315_619_200


def time_of(data: bytes) -> float:
    return members(archive(Member(path="m", data=data)))["m"].mtime


@given(st.binary(min_size=1), st.binary(min_size=1))
@settings(max_examples=200)
def test_different_contents_have_different_times_that_every_tool_supports(
    one: bytes, other: bytes
) -> None:
    assert (time_of(one) == time_of(other)) == (one == other)
    assert 315_619_200 <= time_of(one) < 1 << 31  # for zip files; for 32 bits
    assert time_of(one) < 1_420_000_000  # past on every machine whose clock is not broken
    assert time_of(one) % 2 == 0  # zip files know no odd ones


def test_the_same_content_has_the_same_time_in_members_trees_and_copies(tmp_path: Path) -> None:
    big = bytes(range(256)) * (6 * MIB // 256)
    (tmp_path / "in").mkdir()
    for name, data in (("small", b"print(1)\n"), ("big", big)):
        file = write(tmp_path / "in", name, data)
        os.utime(file, (1, 1))
    whole = scan(tmp_path / "in", rules=NO_RULES)
    with ContentReader(tmp_path / "in") as reader:
        digests = {entry.path: reader.digest(entry) for entry in whole.entries}
    found = members(
        archive(
            Tree(entries=whole.entries, root=tmp_path / "in", prefix="t", contents=digests),
            *(Copy(path=f"c/{n}", source=tmp_path / "in" / n, content=digests[n]) for n in digests),
            Member(path="m/small", data=b"print(1)\n"),
            Member(path="m/big", data=big),
        )
    )
    for name in ("small", "big"):
        assert found[f"t/{name}"].mtime == found[f"c/{name}"].mtime == found[f"m/{name}"].mtime
    assert found["m/small"].mtime != found["m/big"].mtime


def test_all_names_of_a_file_have_its_time(tmp_path: Path) -> None:
    first = write(tmp_path, "a", b"hello")
    os.link(first, tmp_path / "b")
    whole = scan(tmp_path, rules=NO_RULES)
    with ContentReader(tmp_path) as reader:
        digests = {e.path: reader.digest(e) for e in whole.entries if e.kind == "file"}
    found = members(archive(Tree(entries=whole.entries, root=tmp_path, contents=digests)))
    assert found["b"].islnk()
    assert found["b"].mtime == found["a"].mtime == time_of(b"hello")


@pytest.mark.parametrize(
    ("on_disk", "packed"),
    [
        (0o644, 0o664),
        (0o664, 0o664),
        (0o600, 0o660),
        (0o755, 0o775),
        (0o700, 0o770),
        (0o400, 0o440),
        (0o500, 0o550),
        (0o4755, 0o775),
        (0o2664, 0o664),
        (0o1666, 0o666),
    ],
)
def test_the_group_gets_the_rights_of_the_owner_and_special_bits_are_cleared(
    tmp_path: Path, on_disk: int, packed: int
) -> None:
    write(tmp_path, "a", b"", on_disk)
    assert members(archive(tree(tmp_path)))["context/a"].mode == packed


def test_files_readable_only_by_root_are_readable_by_the_owner_in_the_image() -> None:
    assert normal_mode(0o070, "file") == 0o440
    assert normal_mode(0o000, "dir") == 0o550


@pytest.mark.parametrize(
    ("on_disk", "packed"), [(0o755, 0o775), (0o2770, 0o770), (0o500, 0o550), (0o1777, 0o777)]
)
def test_a_folder_can_be_entered_by_its_owner_and_group(
    tmp_path: Path, on_disk: int, packed: int
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub").chmod(on_disk)
    found = members(archive(tree(tmp_path)))["context/sub"].mode
    (tmp_path / "sub").chmod(0o755)
    assert found == packed


def test_archives_are_reproducible(
    tmp_path: Path,
) -> None:
    for name, umask in (("one", 0o022), ("two", 0o002)):
        before = os.umask(umask)
        try:
            (tmp_path / name / "sub").mkdir(parents=True)
            (tmp_path / name / "sub" / "a").write_bytes(b"hello")
            (tmp_path / name / "b").symlink_to("sub")
        finally:
            os.umask(before)
        os.utime(tmp_path / name / "sub" / "a", (umask, umask))
    assert archive(tree(tmp_path / "one")) == archive(tree(tmp_path / "two"))


def test_a_forced_mode_applies_to_files_and_folders_stay_accessible(tmp_path: Path) -> None:
    write(tmp_path, "sub/a", b"", 0o777)
    found = members(archive(tree(tmp_path, "files", mode=0o640)))
    assert found["files/sub/a"].mode == 0o640
    assert found["files/sub"].mode == 0o750


# Members, copies, folders that were not named


def test_members_and_trees_keep_their_order(tmp_path: Path) -> None:
    write(tmp_path, "a", b"1")
    data = archive(
        Member(path="Containerfile", data=b"FROM x\n"),
        tree(tmp_path),
        Member(path="guest/buildr/x.py", data=b"2", mode=0o755),
    )
    assert list(members(data)) == [
        "Containerfile",
        "context",
        "context/a",
        "guest",
        "guest/buildr",
        "guest/buildr/x.py",
    ]
    assert members(data)["guest/buildr/x.py"].mode == 0o755
    assert members(data)["guest"].mode == 0o755
    assert members(data)["context"].mode == 0o775


def test_a_copy_is_an_external_file_with_the_requested_mode(tmp_path: Path) -> None:
    source = write(tmp_path, "elsewhere", b"hello", 0o600)
    data = archive(
        Copy(path="extra/a", source=source, mode=0o4511), Copy(path="extra/b", source=source)
    )
    assert contents(data) == {"extra/a": b"hello", "extra/b": b"hello"}
    assert members(data)["extra/a"].mode == 0o4511
    assert members(data)["extra/b"].mode == 0o660


def test_a_copy_of_a_link_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(write(tmp_path, "a"))
    with pytest.raises(ContextError, match="link cannot be read"):
        archive(Copy(path="a", source=tmp_path / "link"))


def test_a_copy_of_a_fifo_is_an_error_and_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ContextError, match="not a regular file"):
        archive(Copy(path="a", source=tmp_path / "fifo"))


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "a//b", "./a", "a/", "a\0b"])
def test_a_member_cannot_be_put_outside_of_the_archive(path: str) -> None:
    with pytest.raises(ValueError, match="cannot be a path in an archive"):
        archive(Member(path=path, data=b""))


# A stream


def test_chunks_are_of_bounded_size_and_make_up_the_archive(tmp_path: Path) -> None:
    write(tmp_path, "large", os.urandom(3 * MIB))
    for number in range(50):
        write(tmp_path, f"small-{number}", os.urandom(60_000))
    chunks = list(pack([tree(tmp_path), Member(path="m", data=bytes(2 * MIB))]))
    assert max(map(len, chunks)) <= CHUNK_BYTES * 5 // 4 + 2048
    assert len(chunks) < 60
    assert len(contents(b"".join(chunks))) == 52


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "large")
    with file.open("wb") as out:
        for _ in range(32):
            out.write(os.urandom(MIB))
    part = tree(tmp_path)
    tracemalloc.start()
    try:
        total = sum(map(len, pack([part])))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total > 32 * MIB
    assert peak < 4 * MIB


def test_an_abandoned_stream_leaves_no_descriptor_open(tmp_path: Path) -> None:
    write(tmp_path, "sub/large", os.urandom(2 * MIB))
    before = set(os.listdir("/proc/self/fd"))
    stream = pack([tree(tmp_path)])
    next(stream)
    assert set(os.listdir("/proc/self/fd")) != before
    stream.close()  # type: ignore[attr-defined]  # a generator, though the interface promises less
    assert set(os.listdir("/proc/self/fd")) == before


# Sparse files


def sparse(path: Path, size: int, pieces: dict[int, bytes], *, skip: bool = True) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for offset, piece in pieces.items():
            file.seek(offset)
            file.write(piece)
    if skip and path.stat().st_blocks * 512 >= size:
        pytest.skip("no sparse files here")
    return path


@pytest.mark.parametrize(
    "pieces",
    [{}, {0: b"head"}, {4 * 1024**3 - 4: b"tail"}, {5000: b"a", 3 * 1024**3 + 12345: b"b" * 9000}],
    ids=["hole", "head", "tail", "middle"],
)
def test_a_sparse_file_of_4_gib_is_a_few_kib_on_the_wire(
    tmp_path: Path, pieces: dict[int, bytes]
) -> None:
    size = 4 * 1024**3
    (tmp_path / "in").mkdir()
    sparse(tmp_path / "in" / "disk.img", size, pieces)
    write(tmp_path, "in/z", b"after")
    data = archive(tree(tmp_path / "in"))
    assert len(data) < 64 * 1024
    member = members(data)["context/disk.img"]
    assert member.issparse()
    assert member.size == size

    out = extract(data, tmp_path / "out") / "context"
    assert (out / "disk.img").stat().st_size == size
    assert (out / "disk.img").stat().st_blocks * 512 < MIB
    with (out / "disk.img").open("rb") as file:
        for offset, piece in pieces.items():
            file.seek(offset)
            assert file.read(len(piece)) == piece
            assert file.read(1) in {b"", b"\0"}
    assert (out / "z").read_bytes() == b"after"


PIECES = st.dictionaries(st.integers(0, 2 * MIB), st.binary(min_size=1, max_size=300), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(pieces=PIECES, size=st.integers(MIB, 2 * MIB))
def test_any_pattern_of_holes_survives_a_round_trip(
    tmp_path_factory: pytest.TempPathFactory, pieces: dict[int, bytes], size: int
) -> None:
    root = tmp_path_factory.mktemp("sparse")
    (root / "in").mkdir()
    file = sparse(root / "in" / "caf\udce9", size, pieces)
    expected = file.read_bytes()
    data = archive(tree(root / "in", ""))
    assert members(data)["caf\udce9"].issparse()
    assert contents(data)["caf\udce9"] == expected
    assert (extract(data, root / "out") / "caf\udce9").read_bytes() == expected


# A stream whose length is known before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    files=st.dictionaries(NAME.filter(lambda name: len(name) < 60), st.binary(max_size=2000)),
    links=st.dictionaries(NAME, st.sampled_from([b"a", b"caf\xe9", b"t" * 150]), max_size=3),
    folder=st.sampled_from([b"d", b"d" * 120, b"d/" * 70 + b"e"]),
    prefix=st.sampled_from(["", "app", "two/levels"]),
    large=st.sampled_from([0, 1, 65_535, 65_536, MIB + 1]),
)
def test_the_length_of_any_tree_is_known_before_it_is_written(
    tmp_path_factory: pytest.TempPathFactory,
    files: dict[bytes, bytes],
    links: dict[bytes, bytes],
    folder: bytes,
    prefix: str,
    large: int,
) -> None:
    root = tmp_path_factory.mktemp("sized")
    top = os.fsencode(root) + b"/" + folder
    os.makedirs(top)
    for name, data in files.items():
        Path(os.fsdecode(top + b"/" + name)).write_bytes(data)
    for name, target in links.items():
        if name not in files:
            os.symlink(target, top + b"/" + name)
    if files:
        os.link(top + b"/" + next(iter(files)), os.fsencode(root) + b"/second")
    sparse(root / "large", large, {}, skip=False)
    whole = tree(root, prefix)
    data = b"".join(pack_tree(whole, owner=1000))
    assert len(data) == tree_size(whole)
    if not large:  # nothing that may have a hole
        assert data == b"".join(pack([whole], owner=1000))


def test_holes_are_written_as_zeros_if_the_length_must_be_known(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    file = sparse(tmp_path / "in" / "disk", 3 * MIB, {MIB: b"x" * 5000})
    data = b"".join(pack_tree(tree(tmp_path / "in", "")))
    assert not members(data)["disk"].issparse()
    assert contents(data) == {"disk": file.read_bytes()}


# Files that change


@pytest.fixture
def scanned(tmp_path: Path) -> tuple[Path, Tree]:
    write(tmp_path, "in/sub/a", b"0123456789")
    return tmp_path / "in" / "sub" / "a", tree(tmp_path / "in")


def test_a_file_that_grew_is_sent_with_its_first_content(scanned: tuple[Path, Tree]) -> None:
    file, part = scanned
    with file.open("ab") as out:
        out.write(b"more")
    assert contents(archive(part))["context/sub/a"] == b"0123456789"


def test_a_file_that_shrank_is_reported(scanned: tuple[Path, Tree]) -> None:
    file, part = scanned
    os.truncate(file, 3)
    before = os.listdir("/proc/self/fd")
    with pytest.raises(ContextError, match="sub/a changed while it was read") as caught:
        archive(part)
    assert "Run again" in caught.value.hint
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_small_file_that_shrinks_while_it_is_read_is_an_error(
    scanned: tuple[Path, Tree], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "read", lambda _file, _size: b"012")
    with pytest.raises(ContextError, match="sub/a changed"):
        archive(scanned[1])


def test_a_file_that_was_rewritten_is_an_error(scanned: tuple[Path, Tree]) -> None:
    file, part = scanned
    file.write_bytes(b"9876543210")
    os.utime(file, (1, 1))
    with pytest.raises(ContextError, match="changed"):
        archive(part)


def test_a_file_that_was_replaced_is_an_error(scanned: tuple[Path, Tree]) -> None:
    file, part = scanned
    other = file.with_name("new")
    other.write_bytes(b"a longer one, that cannot have grown")
    other.rename(file)
    with pytest.raises(ContextError, match="changed"):
        archive(part)


def test_a_missing_file_is_an_error(scanned: tuple[Path, Tree]) -> None:
    file, part = scanned
    file.unlink()
    with pytest.raises(ContextError, match="changed"):
        archive(part)


def test_a_file_that_became_a_link_is_not_followed(scanned: tuple[Path, Tree]) -> None:
    file, part = scanned
    secret = file.parents[2] / "secret"
    file.rename(secret)
    file.symlink_to(secret)
    with pytest.raises(ContextError, match="changed"):
        archive(part)


def test_a_folder_that_became_a_link_is_not_followed(scanned: tuple[Path, Tree]) -> None:
    file, part = scanned
    moved = file.parents[2] / "moved"
    file.parent.rename(moved)
    file.parent.symlink_to(moved)
    with pytest.raises(ContextError, match="changed"):
        archive(part)


def test_a_file_that_became_a_fifo_does_not_hang(scanned: tuple[Path, Tree]) -> None:
    file, part = scanned
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(ContextError, match="changed"):
        archive(part)


@pytest.mark.parametrize("change", ["shrink", "rewrite"])
def test_a_large_file_that_changes_while_it_is_sent_is_an_error(
    tmp_path: Path, change: str
) -> None:
    file = write(tmp_path, "large", os.urandom(2 * MIB))
    stream = pack([tree(tmp_path)])
    next(stream)
    if change == "shrink":
        os.truncate(file, MIB)
    else:
        file.write_bytes(bytes(2 * MIB))
        os.utime(file, (1, 1))
    with pytest.raises(ContextError, match="large changed while it was read"):
        list(stream)


def test_a_large_file_that_grows_while_it_is_sent_keeps_its_first_content(tmp_path: Path) -> None:
    content = os.urandom(2 * MIB)
    file = write(tmp_path, "large", content)
    stream = pack([tree(tmp_path, "")])
    data = next(stream)
    with file.open("ab") as out:
        out.write(b"more")
    assert contents(data + b"".join(stream)) == {"large": content}


def test_a_file_that_can_no_longer_be_read_is_an_error(
    scanned: tuple[Path, Tree], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refusing(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        if path == "a":
            raise PermissionError(13, "Permission denied")
        return real(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(ContextError, match="sub/a cannot be read: Permission denied"):
        archive(scanned[1])


@pytest.mark.parametrize(("call", "size"), [("read", 10), ("pread", 2 * MIB)])
def test_a_read_error_of_the_disk_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, size: int
) -> None:
    write(tmp_path, "a", bytes(size))
    part = tree(tmp_path)

    def failing(*_: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, call, failing)
    with pytest.raises(ContextError, match="a cannot be read: Input/output error"):
        archive(part)


def test_a_missing_context_is_an_error_that_names_it(scanned: tuple[Path, Tree]) -> None:
    _, part = scanned
    shutil.rmtree(part.root)
    with pytest.raises(ContextError, match=r"/in cannot be read: No such file"):
        archive(part)


def test_a_file_with_only_another_inode_is_accepted(
    scanned: tuple[Path, Tree],
) -> None:
    # As on network file systems that change inode numbers.
    file, part = scanned
    status = file.stat()
    other = file.with_name("new")
    other.write_bytes(file.read_bytes())
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(file)
    assert stat.S_ISREG(file.stat().st_mode)
    assert contents(archive(part))["context/sub/a"] == b"0123456789"


# Contents that are known


def known(root: Path, prefix: str = "") -> Tree:
    """Scan a directory and digest its files."""
    part = tree(root, prefix)
    digests: dict[str, bytes] = {}
    with ContentReader(root) as reader:
        for entry in part.entries:
            if entry.kind == "file" and entry.size:
                digests[entry.path] = reader.digest(entry)
    return msgspec.structs.replace(part, contents=digests)


def rewrite_and_grow(file: Path) -> None:
    """Rewrite a file in place, as most editors do, and let it grow."""
    file.write_bytes(b"y" * (file.stat().st_size + 1))


def rewrite_with_the_same_time(file: Path) -> None:
    status = file.stat()
    file.write_bytes(b"y" * status.st_size)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("size", [1, 65_535, 65_536, MIB, 2 * MIB + 1])
@pytest.mark.parametrize("change", [rewrite_and_grow, rewrite_with_the_same_time])
@pytest.mark.parametrize("way", [pack_tree, lambda part: pack([part])], ids=["layer", "context"])
def test_the_sent_content_is_the_digested_one(
    tmp_path: Path,
    size: int,
    change: Callable[[Path], None],
    way: Callable[[Tree], Iterator[bytes]],
) -> None:
    file = write(tmp_path, "in/a", b"x" * size)
    part = known(tmp_path / "in")
    assert contents(b"".join(way(part))) == {"a": b"x" * size}
    change(file)
    with pytest.raises(ContextError, match="a changed while it was read"):
        b"".join(way(part))


@pytest.mark.parametrize("size", [0, 10, 2 * MIB])
def test_a_file_that_only_grew_still_has_the_digested_content(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    file = write(tmp_path, "in/a", content)
    part = known(tmp_path / "in")
    with file.open("ab") as out:
        out.write(b"more")
    assert contents(archive(part)) == {"a": content}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(pieces=PIECES, size=st.integers(65_536, 3 * MIB))
def test_content_has_the_same_digest_while_it_is_sent(
    tmp_path_factory: pytest.TempPathFactory, pieces: dict[int, bytes], size: int
) -> None:
    root = tmp_path_factory.mktemp("known")
    (root / "in").mkdir()
    file = sparse(root / "in" / "a", size, pieces, skip=False)
    part = known(root / "in")
    assert contents(archive(part)) == contents(b"".join(pack_tree(part)))
    with file.open("r+b") as out:
        out.seek(size // 2)
        byte = out.read(1)
        out.seek(size // 2)
        out.write(bytes([byte[0] ^ 1]))
    for way in (pack_tree, lambda part: pack([part])):
        with pytest.raises(ContextError, match="changed"):
            b"".join(way(part))


def test_a_copy_has_the_observed_size_and_content(tmp_path: Path) -> None:
    file = write(tmp_path, "in/a", b"x" * 10)
    part = Copy(path="a", source=file, size=10, content=known(tmp_path / "in").contents["a"])
    with file.open("ab") as out:
        out.write(b"more")
    assert contents(archive(part)) == {"a": b"x" * 10}
    for data in (b"y" * 14, b"x" * 9):
        file.write_bytes(data)
        with pytest.raises(ContextError, match="a changed while it was read"):
            archive(part)
