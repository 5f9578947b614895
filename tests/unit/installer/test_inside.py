"""The program that installs in a container: what it unpacks, what it takes for a change, what it sends."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from buildr.installer.in_container import (
    UNUSED_SECONDS,
    cache_options,
    difference,
    folders_above,
    mount_points,
    place_files,
    send,
    snapshot,
    unpack,
)


def changed_between(root: Path, action: str) -> tuple[set[str], list[str]]:
    """Return what a line of shell changes below a folder, by names relative to it."""
    before = snapshot(str(root), set())
    subprocess.run(["sh", "-c", action], cwd=root, check=True)
    changed, removed = difference(before, snapshot(str(root), set()))
    relative = {os.path.relpath(path, root) for path in changed if path.startswith(f"{root}/")}
    return relative, [os.path.relpath(path, root) for path in removed]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "lib/pkg").mkdir(parents=True)
    (tmp_path / "lib/pkg/a.py").write_text("a")
    (tmp_path / "lib/pkg/b.py").write_text("b")
    (tmp_path / "lib/other").mkdir()
    (tmp_path / "lib/link").symlink_to("pkg")
    return tmp_path


@pytest.mark.parametrize(
    ("action", "changed", "removed"),
    [
        ("true", set(), []),
        ("cat lib/pkg/a.py", set(), []),
        ("echo x > lib/pkg/c.py", {"lib", "lib/pkg", "lib/pkg/c.py"}, []),
        ("echo longer > lib/pkg/a.py", {"lib", "lib/pkg", "lib/pkg/a.py"}, []),
        ("chmod 600 lib/pkg/a.py", {"lib", "lib/pkg", "lib/pkg/a.py"}, []),
        ("chmod 700 lib/other", {"lib", "lib/other"}, []),
        ("ln -sfn other lib/link", {"lib", "lib/link"}, []),
        ("mkdir -p new/deep", {"new", "new/deep"}, []),
        ("rm lib/pkg/a.py", set(), ["lib/pkg/a.py"]),
        ("rm -r lib/pkg", set(), ["lib/pkg"]),
        ("rm -r lib", set(), ["lib"]),
        ("rm -r lib/pkg && echo x > lib/pkg", {"lib", "lib/pkg"}, ["lib/pkg"]),
        ("rm lib/link && mkdir lib/link", {"lib", "lib/link"}, ["lib/link"]),
        ("mkfifo lib/pipe", set(), []),
    ],
)
def test_a_change_is_found(tree: Path, action: str, changed: set[str], removed: list[str]) -> None:
    found, gone = changed_between(tree, action)
    assert found == changed
    # What lies in a folder that is gone goes with it, whether it is named or not.
    assert [path for path in gone if os.path.dirname(path) not in gone] == removed


def test_what_is_mounted_or_apart_is_no_change(tree: Path) -> None:
    found = snapshot(str(tree), {str(tree / "lib/pkg")})
    assert sorted(found) == [str(tree / name) for name in ("lib", "lib/link", "lib/other")]


def test_what_was_found_is_sent_with_modes_links_and_times(tree: Path) -> None:
    (tree / "lib/pkg/a.py").chmod(0o640)
    os.utime(tree / "lib/pkg/a.py", (1_000_000, 1_000_000.7))
    os.link(tree / "lib/pkg/a.py", tree / "lib/pkg/hard.py")
    stream = io.BytesIO()
    names = ("lib", "lib/link", "lib/pkg/a.py", "lib/pkg/hard.py", "lib/vanished")
    send(stream, str(tree), [str(tree / name) for name in names])
    stream.seek(0)
    with tarfile.open(fileobj=stream) as archive:
        members = {member.name: member for member in archive}
        assert list(members) == ["lib", "lib/link", "lib/pkg/a.py", "lib/pkg/hard.py"]
        a = members["lib/pkg/a.py"]
        assert (a.mode, a.mtime, a.uname, a.uid) == (0o640, 1_000_000, "", os.getuid())
        assert members["lib/link"].linkname == "pkg"
        assert members["lib/pkg/hard.py"].linkname == "lib/pkg/a.py"


def test_secrets_are_files_that_nobody_else_reads(tmp_path: Path) -> None:
    folder, links = tmp_path / "shm/buildr", tmp_path / "run/secrets"
    variables = place_files(
        {"netrc": "machine\udcff", "other": "x"}, {"netrc": "NETRC"}, str(folder), str(links)
    )
    assert variables == {"NETRC": f"{folder}/netrc"}
    assert (links / "netrc").read_bytes() == b"machine\xff"
    assert (links / "other").read_text() == "x"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "netrc").stat().st_mode & 0o777 == 0o600


def test_a_place_that_is_read_only_leaves_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = place_files(
        {"netrc": "x"}, {"netrc": "NETRC"}, str(tmp_path / "a"), str(tmp_path / "file/b")
    )
    assert found == {"NETRC": str(tmp_path / "a/netrc")}


def test_downloads_are_shared_and_wheels_are_not(tmp_path: Path) -> None:
    root = str(tmp_path / "cache")
    first, second = (cache_options({"root": root, "key": key}) for key in ("one", "two"))
    assert first == ["--cache-dir", f"{root}/for-one"]
    assert second == ["--cache-dir", f"{root}/for-two"]
    for name in ("http", "http-v2"):
        (tmp_path / "cache/for-one" / name / "page").write_text("seen")
        assert (tmp_path / "cache/for-two" / name / "page").read_text() == "seen"
    (tmp_path / "cache/for-one/wheels").mkdir()
    assert not (tmp_path / "cache/for-two/wheels").exists()
    assert cache_options({"root": root, "key": "one"}) == first  # it is there already


def test_wheels_that_nobody_needs_any_more_go(tmp_path: Path) -> None:
    root = str(tmp_path)
    for key in ("old", "young"):
        cache_options({"root": root, "key": key})
    (tmp_path / "for-old/wheels").mkdir()
    (tmp_path / "http/page").write_text("seen")
    long_ago = os.stat(root).st_mtime - UNUSED_SECONDS - 60
    for name in ("for-old", "http"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    cache_options({"root": root, "key": "new"})
    assert sorted(os.listdir(root)) == ["for-new", "for-young", "http", "http-v2"]
    assert (tmp_path / "http/page").exists()


def test_a_cache_that_cannot_be_used_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cache_options(None) == ["--no-cache-dir"]
    (tmp_path / "file").write_text("")
    assert cache_options({"root": str(tmp_path / "file"), "key": "x"}) == ["--no-cache-dir"]
    assert "the cache of wheels cannot be used" in capsys.readouterr().err


def test_what_is_removed_has_the_folders_above_it() -> None:
    assert folders_above(["/usr/lib/a", "/b", "/usr/c"]) == {"/usr/lib", "/usr"}


def test_the_source_belongs_to_the_user_and_the_rest_to_root(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in ("app", "usr"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
            archive.addfile(tarfile.TarInfo(f"{name}/file"))
    stream.seek(0)
    unpack(stream, str(tmp_path), 1000)
    assert (tmp_path / "app/file").stat().st_uid == 1000
    assert (tmp_path / "usr/file").stat().st_uid == 0


def test_mount_points_are_those_of_the_kernel() -> None:
    found = mount_points()
    assert "/proc" in found
    assert "/" not in found
    assert all(point.startswith("/") for point in found)


def test_it_needs_the_standard_library_alone() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import in_container; print(*sorted(m.split('.')[0] for m in sys.modules))"
    folder = Path(sys.modules[snapshot.__module__].__file__ or "").parent
    done = subprocess.run(
        [sys.executable, "-IS", "-c", code, folder], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= {
        *sys.stdlib_module_names,
        "__main__",
        "in_container",
        "_distutils_hack",
    }
