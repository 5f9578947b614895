from __future__ import annotations

import os
import socket
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildr.context.entries import CLIMBING, Without
from buildr.context.ignore.rules import IgnoreRules
from buildr.context.links import describe_links
from buildr.context.scan import Entry, Skipped, scan
from buildr.context.secret_contents import MOST_BYTES
from buildr.errors import ContextError

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_RULES = IgnoreRules.parse("")
NOBODY = 65534


def write(root: Path, path: str, data: bytes = b"x") -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def paths(root: Path, text: str | None = "") -> list[str]:
    rules = None if text is None else IgnoreRules.parse(text)
    return [entry.path for entry in scan(root, rules=rules).entries]


def only(root: Path) -> Entry:
    (entry,) = scan(root, rules=NO_RULES).entries
    return entry


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the listed folders."""
    listed: list[str] = []
    real = os.scandir

    def scandir(path: str) -> object:
        listed.append(path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    return listed


@pytest.fixture
def plain_user_root() -> Iterator[Path]:
    """Give an empty directory to a process that permissions hold for, even where tests run as root."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        if os.geteuid() != 0:
            yield root
        else:
            os.chown(root, NOBODY, NOBODY)
            os.seteuid(NOBODY)
            try:
                yield root
            finally:
                os.seteuid(0)


# What is found


def test_an_empty_context_has_no_entries(tmp_path: Path) -> None:
    found = scan(tmp_path, rules=None)
    assert (found.entries, found.secrets, found.skipped) == ((), (), ())


def test_a_file_is_found_with_its_status(tmp_path: Path) -> None:
    file = write(tmp_path, "a.txt", b"12345")
    file.chmod(0o640)
    status = file.stat()
    assert only(tmp_path) == Entry(
        "a.txt",
        "file",
        0o640,
        5,
        status.st_mtime_ns,
        status.st_ino,
        status.st_dev,
        ctime_ns=status.st_ctime_ns,
    )


def test_an_empty_folder_is_kept(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert (only(tmp_path).path, only(tmp_path).kind, only(tmp_path).size) == ("empty", "dir", 0)


def test_folders_precede_their_contents_and_names_are_sorted_by_bytes(
    tmp_path: Path,
) -> None:
    for path in ("b/z", "b/a", "b-c", "a", "\u00e9", "Z", "\U0001f600", "\uffee"):
        write(tmp_path, path)
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))).write_bytes(b"")
    found = [os.fsencode(path) for path in paths(tmp_path)]
    assert found == [
        b"Z",
        b"a",
        b"b",
        b"b/a",
        b"b/z",
        b"b-c",
        "\u00e9".encode(),
        "\uffee".encode(),
        "\U0001f600".encode(),
        b"\xff",
    ]


@pytest.mark.parametrize(
    "name", ["new\nline", "-rf", "a b", "quo'te\"s", "$HOME", "back\\slash", "*"]
)
def test_a_hostile_name_is_found(tmp_path: Path, name: str) -> None:
    write(tmp_path, name)
    assert paths(tmp_path) == [name]


def test_the_root_may_be_relative_or_end_with_a_slash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "sub/a")
    monkeypatch.chdir(tmp_path)
    assert paths(Path()) == paths(tmp_path) == ["sub", "sub/a"]


def test_the_root_may_be_a_link(tmp_path: Path) -> None:
    write(tmp_path, "real/a")
    (tmp_path / "link").symlink_to("real")
    assert paths(tmp_path / "link") == ["a"]


def test_hard_links_refer_to_the_first_included_name(tmp_path: Path) -> None:
    first = write(tmp_path, "a-ignored")
    os.link(first, tmp_path / "b")
    (tmp_path / "sub").mkdir()
    os.link(first, tmp_path / "sub" / "c")
    found = scan(tmp_path, rules=IgnoreRules.parse("a-ignored")).entries
    assert [(e.path, e.kind, e.target) for e in found] == [
        ("b", "file", ""),
        ("sub", "dir", ""),
        ("sub/c", "hardlink", "b"),
    ]


def test_paths_are_excluded_with_their_contents(tmp_path: Path) -> None:
    write(tmp_path, "out/a")
    write(tmp_path, "b")
    write(tmp_path, "sub/b")
    found = scan(tmp_path, rules=NO_RULES, without=Without(paths=frozenset(("out", "b"))))
    assert [entry.path for entry in found.entries] == ["sub", "sub/b"]


# What cannot travel


def test_a_fifo_and_a_socket_are_skipped_and_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(tmp_path / "sock"))
        found = scan(tmp_path, rules=NO_RULES)
    assert found.entries == ()
    assert found.skipped == (Skipped("fifo", "a FIFO"), Skipped("sock", "a socket"))


def test_a_fifo_named_like_a_key_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "server.pem")
    assert scan(tmp_path, rules=NO_RULES).skipped == (Skipped("server.pem", "a FIFO"),)


def test_a_device_is_skipped_and_named(tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root may make a device")
    assert scan(tmp_path, rules=NO_RULES).skipped == (Skipped("null", "a character device"),)


def test_an_ignored_fifo_is_not_mentioned(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert scan(tmp_path, rules=IgnoreRules.parse("fifo")).skipped == ()


@pytest.mark.parametrize("name", [".wh.a", ".wh..wh..opq"])
def test_a_whiteout_name_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, f"sub/{name}")
    with pytest.raises(ContextError, match=r"sub/\.wh\.") as caught:
        scan(tmp_path, rules=NO_RULES)
    assert ".containerignore" in caught.value.hint or ".dockerignore" in caught.value.hint


def test_an_ignored_whiteout_name_is_not_an_error(tmp_path: Path) -> None:
    write(tmp_path, ".wh.a")
    assert paths(tmp_path, ".wh.*") == []


# Symbolic links


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("link", "a.txt"),
        ("link", "missing"),
        ("link", "./sub/../a.txt"),
        ("sub/link", "../a.txt"),
        ("sub/link", ".."),
        ("link", "."),
        ("sub/deep/link", "../../a.txt"),
        ("link", "sub"),
        ("link", "..."),
        ("link", "..a"),
    ],
)
def test_a_link_within_the_context_is_kept_unchanged(
    tmp_path: Path, link: str, target: str
) -> None:
    write(tmp_path, "a.txt")
    write(tmp_path, "sub/deep/b.txt")
    (tmp_path / link).symlink_to(target)
    (entry,) = [e for e in scan(tmp_path, rules=NO_RULES).entries if e.kind == "symlink"]
    assert (entry.path, entry.target) == (link, target)


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("link", "/nix/store/result"),
        ("link", "/"),
        ("sub/link", "/../x"),
        (".#app.py", "me@host.1234:1699"),
        ("sub/way-out", "top/../other"),
    ],
)
def test_a_link_out_of_the_context_is_kept_unchanged(
    tmp_path: Path, link: str, target: str
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "top").symlink_to("..")
    (tmp_path / link).symlink_to(target)
    found = scan(tmp_path, rules=NO_RULES)
    assert (link, target) in [(e.path, e.target) for e in found.entries if e.kind == "symlink"]
    assert found.skipped == ()


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("link", ".."),
        ("link", "../other"),
        ("sub/link", "../../other"),
        ("sub/link", "deep/../../../other"),
        ("link", "sub/../../other"),
        ("link", "sub/../.."),
    ],
)
def test_a_link_that_climbs_above_the_context_is_left_out(
    tmp_path: Path, link: str, target: str
) -> None:
    write(tmp_path, "sub/deep/b.txt")
    (tmp_path / link).symlink_to(target)
    found = scan(tmp_path, rules=NO_RULES)
    assert link not in [entry.path for entry in found.entries]
    assert found.skipped == ((link, CLIMBING),)


@pytest.mark.parametrize(
    ("sent", "left", "said"),
    [
        ([], [], ""),
        (["a"], [], "symbolic links out of the context are sent as links, without what they lead to: a"),
        ([], ["u"], "symbolic links out of the context are left out: u"),
        (
            ["a", "b", "c", "d"],
            ["u\n"],
            ("symbolic links out of the context are sent as links, without what they lead to: a, b, c and 1 more;"
            " left out: 'u\\n'"),
        ),
    ],
)  # fmt: skip
def test_links_out_of_the_context_are_reported_in_one_line(
    sent: list[str], left: list[str], said: str
) -> None:
    assert describe_links(sent, left) == said


def test_an_ignored_link_may_lead_anywhere(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert paths(tmp_path, "link") == []


def test_a_link_to_a_folder_is_not_followed(tmp_path: Path, entered: list[str]) -> None:
    write(tmp_path, "sub/a")
    (tmp_path / "link").symlink_to("sub")
    (tmp_path / "sub" / "loop").symlink_to("..")
    assert paths(tmp_path) == ["link", "sub", "sub/a", "sub/loop"]
    assert entered == [str(tmp_path), str(tmp_path / "sub")]


# Ignore rules on the way


def test_excluded_folders_are_never_entered(tmp_path: Path, entered: list[str]) -> None:
    for number in range(300):
        write(tmp_path, f".git/objects/{number:03x}/{number}")
        write(tmp_path, f".venv/lib/{number}/{number}.py")
    write(tmp_path, "app.py")
    assert paths(tmp_path, None) == ["app.py"]
    assert entered == [str(tmp_path)]


def test_an_unrelated_exception_does_not_open_an_excluded_folder(
    tmp_path: Path, entered: list[str]
) -> None:
    write(tmp_path, ".git/objects/a")
    write(tmp_path, "src/app.py")
    assert paths(tmp_path, "*\n!src/*.py") == ["src", "src/app.py"]
    assert entered == [str(tmp_path), str(tmp_path / "src")]


def test_a_reincluded_file_includes_its_parents(tmp_path: Path) -> None:
    write(tmp_path, "a/b/c/keep.py")
    write(tmp_path, "a/b/drop.py")
    write(tmp_path, "a/d/drop.py")
    assert paths(tmp_path, "a\n!a/b/c/keep.py") == ["a", "a/b", "a/b/c", "a/b/c/keep.py"]


def test_an_exception_without_a_match_includes_no_folder(tmp_path: Path) -> None:
    write(tmp_path, "a/b/drop.py")
    assert paths(tmp_path, "a\n!a/b/keep.py") == []


def test_ignore_files_travel_like_any_file(tmp_path: Path) -> None:
    write(tmp_path, ".dockerignore", b"a")
    write(tmp_path, ".containerignore", b"a")
    assert paths(tmp_path, "a") == [".containerignore", ".dockerignore"]
    assert paths(tmp_path, "a\n.*ignore") == []


@pytest.mark.parametrize("marker", ["pyvenv.cfg", "conda-meta/history"])
def test_virtual_environments_are_recognized_by_their_contents(tmp_path: Path, marker: str) -> None:
    write(tmp_path, f"sub/my env/{marker}")
    write(tmp_path, "sub/my env/lib/x.py")
    write(tmp_path, "sub/a.py")
    assert paths(tmp_path, None) == ["sub", "sub/a.py"]


def test_a_context_that_is_an_environment_itself_travels(tmp_path: Path) -> None:
    write(tmp_path, "pyvenv.cfg")
    write(tmp_path, "app.py")
    assert paths(tmp_path, None) == ["app.py", "pyvenv.cfg"]


def test_an_ignore_file_replaces_the_defaults(tmp_path: Path) -> None:
    write(tmp_path, ".idea/workspace.xml")
    write(tmp_path, "venv/pyvenv.cfg")
    expected = [".idea", ".idea/workspace.xml", "venv", "venv/pyvenv.cfg"]
    assert paths(tmp_path, "nothing") == expected


# What cannot be read


def test_a_missing_context_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match=r"context .*gone cannot be read: No such file"):
        scan(tmp_path / "gone", rules=None)


def test_a_context_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match="Not a directory"):
        scan(write(tmp_path, "a"), rules=None)


def test_an_unreadable_file_is_an_error_that_names_it(plain_user_root: Path) -> None:
    write(plain_user_root, "sub/a").chmod(0o000)
    with pytest.raises(ContextError, match=r"sub/a in the context .* cannot be read") as caught:
        scan(plain_user_root, rules=None)
    assert "chmod u+r" in caught.value.hint
    assert ".containerignore" in caught.value.hint


def test_a_file_readable_only_by_its_group_is_included(
    plain_user_root: Path,
) -> None:
    write(plain_user_root, "a").chmod(0o440)
    assert paths(plain_user_root) == ["a"]


def test_an_unreadable_folder_is_an_error_that_names_it(plain_user_root: Path) -> None:
    write(plain_user_root, "sub/a")
    (plain_user_root / "sub").chmod(0o300)
    try:
        with pytest.raises(ContextError, match=r"sub in the context .* cannot be read"):
            scan(plain_user_root, rules=None)
    finally:
        (plain_user_root / "sub").chmod(0o700)


def test_an_inaccessible_folder_is_an_error(plain_user_root: Path) -> None:
    write(plain_user_root, "sub/a")
    (plain_user_root / "sub").chmod(0o600)
    try:
        with pytest.raises(ContextError, match=r"sub/a in the context .* cannot be read"):
            scan(plain_user_root, rules=None)
    finally:
        (plain_user_root / "sub").chmod(0o700)


@pytest.mark.parametrize("text", ["sub", "*\n!**/*.py"])
def test_unreadable_ignored_files_are_not_an_error(plain_user_root: Path, text: str) -> None:
    write(plain_user_root, "sub/a")
    (plain_user_root / "sub").chmod(0o000)
    try:
        assert paths(plain_user_root, text) == []
    finally:
        (plain_user_root / "sub").chmod(0o700)


def test_an_unreadable_key_is_an_error(plain_user_root: Path) -> None:
    write(plain_user_root, "server.pem").chmod(0o000)
    with pytest.raises(ContextError, match=r"server\.pem in the context .* cannot be read"):
        scan(plain_user_root, rules=None)


def test_a_file_that_vanishes_during_the_scan_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a")
    write(tmp_path, "sub/b")
    real = os.scandir

    @contextmanager
    def scandir(path: str) -> Iterator[list[os.DirEntry[str]]]:
        with real(path) as found:
            items = list(found)
        if path == str(tmp_path / "sub"):
            (tmp_path / "sub" / "b").unlink()
        yield items

    monkeypatch.setattr(os, "scandir", scandir)
    assert paths(tmp_path) == ["a", "sub"]


def test_source_files_large_files_and_known_types_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.py", "b.json", "c.pem", "known.json"):
        write(tmp_path, name)
    (tmp_path / "large.json").write_bytes(b"x" * (MOST_BYTES + 1))
    opened: list[str] = []
    real = os.open

    def spy(path: str, flags: int) -> int:
        opened.append(path)
        return real(path, flags)

    monkeypatch.setattr(os, "open", spy)
    scan(tmp_path, rules=None, known=lambda entry: entry.path == "known.json")
    assert opened == [str(tmp_path / "b.json"), str(tmp_path / "c.pem")]
