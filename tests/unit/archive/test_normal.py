"""A layer is written the same way whichever engine has made it, and whenever, and does the same."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import py_compile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from buildr.archive.fields import ArchiveError
from buildr.archive.layers import above, read_layer
from buildr.archive.normal import Times, left_behind, write
from tests.fuzz.layers import does_the_same
from tests.unit.archive.layering import (
    BUILD_TIME,
    FOLDER,
    LATEST,
    Put,
    Stack,
    content,
    members,
    tar,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)


@pytest.fixture
def other(tmp_path: Path) -> Stack:
    folder = tmp_path / "other"
    folder.mkdir()
    return Stack(folder)


def test_order_time_and_names_of_owners_do_not_matter(stack: Stack, other: Stack) -> None:
    one, two = Put("a/one", b"1"), Put("a/two", b"2", mode=0o755, uid=1000)
    first = stack.again("a/", two, one)
    late = [replace(put, time=put.time + 500.25) for put in (one, two)]
    second = other.again(Put("./a/", time=3000), *late)
    assert first == second
    assert list(members(first)) == ["a", "a/one", "a/two"]
    assert {m.mtime for m in members(first).values()} == {FOLDER, LATEST}
    assert (members(first)["a/two"].uid, members(first)["a/two"].mode) == (1000, 0o755)
    assert members(first)["a/one"].uname == ""
    assert content(first, "a/two") == b"2"


def test_an_early_time_stays(stack: Stack) -> None:
    layer = stack.again(Put("early", b"1", time=LATEST - 1.5), Put("late", b"2"))
    times = {name: member.mtime for name, member in members(layer).items()}
    assert times == {"early": LATEST - 2, "late": LATEST}


def test_a_folder_that_is_as_below_is_not_in_the_layer_unless_something_in_it_is(
    stack: Stack,
) -> None:
    stack.base("run/", "tmp/", "usr/", "usr/lib/", Put("old/", mode=0o700))
    layer = stack.again("run/", "tmp/", "usr/", "usr/lib/", "usr/lib/new", "old/")
    assert list(members(layer)) == ["old", "usr", "usr/lib", "usr/lib/new"]
    assert stack.again("run/", "tmp/") == b""


def test_folders_above_have_what_they_have_below_where_the_layer_leaves_them_out(
    stack: Stack,
) -> None:
    stack.base(Put("usr/", mode=0o711), Put("usr/lib/", mode=0o710))
    found = members(stack.again("usr/lib/new"))
    assert {name: found[name].mode for name in ("usr", "usr/lib")} == {
        "usr": 0o711,
        "usr/lib": 0o710,
    }


@pytest.mark.parametrize(
    "ways",
    [
        # A folder that was made again: with what is gone by name, as one that hides all, or removed as a whole.
        [
            ["data/", "data/.wh.one", "data/.wh.deep", "data/new"],
            ["data/", "data/.wh..wh..opq", "data/new"],
            [".wh.data", "data/", "data/new"],
        ],
        # Paths that were never there below.
        [
            ["new/", "new/file"],
            ["new/", "new/.wh..wh..opq", "new/file"],
            ["new/", "new/file", ".wh.no"],
        ],
        # A file in place of a folder.
        [["data"], [".wh.data", "data"]],
        # A folder in place of a file.
        [
            ["data/", "data/one/", "data/one/in"],
            ["data/", "data/.wh.one", "data/one/", "data/one/in"],
        ],
    ],
)
def test_what_is_gone_is_written_in_one_way(tmp_path: Path, ways: list[list[str]]) -> None:
    made = []
    for number, way in enumerate(ways):
        (tmp_path / str(number)).mkdir()
        stack = Stack(tmp_path / str(number))
        stack.base("data/", "data/one", "data/deep/", "data/deep/two")
        made.append((stack.again(*way), stack.tree.keys()))
    assert all(one == made[0] for one in made[1:])


def test_what_is_written_again_does_the_same(stack: Stack, other: Stack, tmp_path: Path) -> None:
    for each in (stack, other):
        each.base("a/", "a/b/", "a/b/c", "a/d", "e/", "e/f", "g", "h/", "h/i")
    way = ["a/", "a/.wh.d", "a/b/", "a/b/.wh..wh..opq", "a/b/new", ".wh.g", ".wh.h", "h/", "e"]
    written = tmp_path / "written"
    written.write_bytes(stack.again(*way))
    other.base(*way)
    expected = other.tree.keys()
    again = read_layer(str(written))
    other.tree = {}
    other.base("a/", "a/b/", "a/b/c", "a/d", "e/", "e/f", "g", "h/", "h/i")
    hidden = again.hidden(other.tree)
    assert (
        {*other.tree.keys() - hidden, *again.nodes} == expected == {"a", "a/b", "a/b/new", "e", "h"}
    )


def test_two_layers_become_one(stack: Stack) -> None:
    stack.base(Put("srv/", mode=0o711))
    folder = stack.read(Put("srv/app/", mode=0o750), "srv/old")
    both = stack.read("srv/app/file", "srv/.wh.old").on(folder)
    now = above(stack.tree, both)
    assert {path: node.mode for path, node in now.items()} == {
        "srv": 0o711,
        "srv/app": 0o750,
        "srv/app/file": 0o644,
    }


def test_a_file_that_was_written_again_within_a_second_is_there(stack: Stack) -> None:
    stack.base(Put("same", b"one"), Put("changed", b"one"))
    layer = stack.again(Put("same", b"one"), Put("changed", b"two"))
    assert list(members(layer)) == ["changed"]
    assert content(layer, "changed") == b"two"


def test_names_of_one_file_stay_that(stack: Stack, other: Stack) -> None:
    layer = stack.again(Put("z", b"1"), Put("a", link="z", hard=True))
    assert layer == other.again(Put("a", b"1"), Put("z", link="a", hard=True))
    assert members(layer)["z"].linkname == "a"
    assert content(layer, "z") == b"1"


def test_capabilities_of_a_program_stay_and_what_a_file_system_notes_goes(stack: Stack) -> None:
    capability = b"\x01\x00\x00\x02\xff\x00\n".decode("utf-8", "surrogateescape")
    noted = {
        "SCHILY.xattr.security.capability": capability,
        "SCHILY.xattr.security.selinux": "label",
        "SCHILY.xattr.user.overlay.origin": "x",
        "SCHILY.xattr.user.mime_type": "text/plain",
    }
    layer = stack.again(Put("ping", b"1", records=noted))
    found = members(layer)["ping"].pax_headers
    kept = {name: text for name, text in found.items() if name.startswith("SCHILY")}
    assert kept == {name: noted[name] for name in list(noted)[::3]}


def test_names_of_any_bytes_and_length_stay(stack: Stack) -> None:
    names = ["x" * 300, "\udcff", "ü/" + "y" * 120]
    layer = stack.again(*names, Put("link", link="\udcfe" * 120))
    assert set(members(layer)) == {*names, "ü", "link"}
    assert members(layer)["link"].linkname == "\udcfe" * 120


PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)


@st.composite
def any_member(draw: st.DrawFn) -> Put:
    path, kind = draw(PATHS), draw(st.sampled_from(("file", "folder", "gone", "emptied", "link")))
    folder, slash, name = path.rpartition("/")
    match kind:
        case "folder":
            return Put(f"{path}/")
        case "gone":
            return Put(f"{folder}{slash}.wh.{name}")
        case "emptied":
            return Put(f"{path}/.wh..wh..opq")
        case "link":
            return Put(path, link=draw(PATHS), hard=draw(st.booleans()))
    return Put(
        path, draw(st.sampled_from((b"", b"1", b"2"))), time=draw(st.sampled_from((5, 2000)))
    )


@given(st.lists(any_member(), max_size=6), st.lists(any_member(), max_size=6))
def test_any_layer_does_the_same_when_it_is_written_again(
    below: list[Put], layer: list[Put]
) -> None:
    does_the_same(tar(put for put in below if ".wh." not in put.name), tar(layer))


# Bytecode ------------------------------------------------------------------------------------------


def bytecode(folder: Path, time: int) -> bytes:
    source = folder / "module.py"
    source.write_text("X = 1\n")
    path = py_compile.compile(str(source), cfile=str(folder / "out.pyc"), doraise=True)
    with open(str(path), "rb") as file:
        data = file.read()
    return data[:8] + time.to_bytes(4, "little") + data[12:]


def named_time(data: bytes) -> int:
    return int.from_bytes(data[8:12], "little")


CACHED = f"pkg/{importlib.util.cache_from_source('module.py')}"


@pytest.mark.parametrize("name", [CACHED, CACHED.replace(".pyc", ".opt-2.pyc"), "pkg/module.pyc"])
def test_bytecode_names_the_time_that_its_source_gets(
    stack: Stack, tmp_path: Path, name: str
) -> None:
    data = bytecode(tmp_path, BUILD_TIME)
    layer = stack.again("pkg/", "pkg/__pycache__/", "pkg/module.py", Put(name, data))
    assert named_time(content(layer, name)) == members(layer)["pkg/module.py"].mtime == LATEST
    assert content(layer, name)[:8] + content(layer, name)[12:] == data[:8] + data[12:]


def test_bytecode_of_a_source_in_the_base_stays_valid(stack: Stack, tmp_path: Path) -> None:
    stack.base("pkg/", "pkg/module.py")
    kept = frozenset(node.archive for node in stack.tree.values() if node.archive)
    layer = stack.read("pkg/__pycache__/", Put(CACHED, bytecode(tmp_path, BUILD_TIME)))
    tree = {**stack.tree, **layer.nodes}
    output = io.BytesIO()
    write(output, dict(layer.nodes), tree, Times(latest=LATEST, folder=FOLDER, kept=kept))
    assert named_time(content(output.getvalue(), CACHED)) == BUILD_TIME


def test_bytecode_without_its_source_names_no_time_of_the_build(
    stack: Stack, tmp_path: Path
) -> None:
    layer = stack.again("pkg/", Put("pkg/module.pyc", bytecode(tmp_path, BUILD_TIME)))
    assert named_time(content(layer, "pkg/module.pyc")) == LATEST


@pytest.mark.parametrize("flags", [1, 3])
def test_bytecode_by_hash_is_left_alone(stack: Stack, tmp_path: Path, flags: int) -> None:
    data = bytecode(tmp_path, BUILD_TIME)
    data = data[:4] + flags.to_bytes(4, "little") + data[8:]
    layer = stack.again("pkg/", "pkg/module.py", Put("pkg/module.pyc", data))
    assert content(layer, "pkg/module.pyc") == data


@pytest.mark.parametrize("data", [b"", b"short", b"no bytecode at all, but long enough"])
def test_what_is_not_bytecode_is_left_alone(stack: Stack, data: bytes) -> None:
    layer = stack.again("pkg/", "pkg/module.py", Put("pkg/module.pyc", data))
    assert content(layer, "pkg/module.pyc") == data


# What is left behind ---------------------------------------------------------------------------------


def test_what_only_the_moment_has_left_is_known(stack: Stack) -> None:
    moment = [
        *("etc/hosts", "etc/resolv.conf", "etc/hostname", "run/.containerenv", "etc/machine-id"),
        *("root/.cache/pip/", "root/.cache/pip/http/", "home/app/.cache/pip/x", "var/log/dpkg.log"),
        *(
            "var/log/apt/",
            "var/log/apt/history.log",
            "var/lib/apt/lists/x",
            "var/cache/ldconfig/aux",
        ),
        *("var/lib/dpkg/status-old", "proc/", "sys/", "dev/", "run/"),
    ]
    meant: list[Put | str] = [
        *(
            Put("etc/host.conf", b""),
            Put("srv/var/log/dpkg.log"),
            "var/log/app.log",
            "var/lib/dpkg/status",
        ),
        *("root/.cache/other", "tmp/file", "run-not/", "root/"),
    ]
    left = left_behind(stack.read(*moment, *meant))
    assert left == {name.rstrip("/") for name in moment}


def test_what_somebody_has_written_there_is_not_left_behind(stack: Stack) -> None:
    layer = stack.read("run/", "run/app/", "dev/", Put("etc/hosts", b"127.0.0.1 db\n"))
    assert left_behind(layer) == {"dev"}


# Hostile ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../etc/passwd", "a/../../b", "a/.."])
def test_a_path_that_leads_out_of_a_layer_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "layer").write_bytes(tar([name]))
    with pytest.raises(ArchiveError, match="leads out"):
        read_layer(str(tmp_path / "layer"))


def test_a_layer_of_too_many_paths_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildr.archive.layers.LAYER_MEMBERS", 3)
    (tmp_path / "layer").write_bytes(tar(["a", "b", "c", ".wh.d"]))
    with pytest.raises(ArchiveError, match="more than 3 paths"):
        read_layer(str(tmp_path / "layer"))


def test_the_digest_is_that_of_what_is_written(stack: Stack) -> None:
    layer = stack.read(Put("a", b"1"))
    output = io.BytesIO()
    digest = write(output, dict(layer.nodes), layer.nodes, Times(latest=1, folder=1))
    assert digest == f"sha256:{hashlib.sha256(output.getvalue()).hexdigest()}"
    assert list(members(output.getvalue())) == ["a"]
